"""A fair bound on the bytes in flight of all clients together."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager


class Budget:
    """Hands out at most ``max_bytes`` at a time, strictly first come, first served.

    A request waits for those before it and for none after it, so a big one is not starved by a
    stream of small ones, nor the reverse. One larger than the whole budget is clamped to it: it
    waits until it is alone, then goes. Used from one event loop.
    """

    def __init__(self, max_bytes: int) -> None:
        if max_bytes < 1:
            raise ValueError(f"a budget of {max_bytes} bytes lets nothing through")
        self.max_bytes = max_bytes
        self.held = 0
        # A cancelled turn stays in the queue until it reaches the head, where it is dropped.
        self._turns: deque[tuple[int, asyncio.Future[None]]] = deque()

    @property
    def waiting(self) -> int:
        """Requests that wait for their turn."""
        return sum(not turn.done() for _, turn in self._turns)

    @asynccontextmanager
    async def hold(self, size: int) -> AsyncIterator[Callable[[], None]]:
        """Hold ``size`` bytes of the budget for the length of the block.

        The block is given a function that gives the share back before its end.
        """
        share = min(size, self.max_bytes)
        await self._take(share)

        def give_back() -> None:
            nonlocal share
            self.held -= share
            share = 0
            self._serve()

        try:
            yield give_back
        finally:
            give_back()

    async def _take(self, share: int) -> None:
        if not self._turns and self._fits(share):
            self.held += share
            return
        turn = asyncio.get_running_loop().create_future()
        self._turns.append((share, turn))
        try:
            await turn
        except asyncio.CancelledError:
            # Cancelled in the very step in which the turn came: the share is ours to give back.
            if not turn.cancelled():
                self.held -= share
            self._serve()
            raise

    def _fits(self, share: int) -> bool:
        return self.held + share <= self.max_bytes

    def _serve(self) -> None:
        while self._turns:
            share, turn = self._turns[0]
            if not turn.cancelled():
                if not self._fits(share):
                    return
                self.held += share
                turn.set_result(None)
            self._turns.popleft()
