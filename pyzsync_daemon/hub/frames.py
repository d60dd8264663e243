"""The hub's answers, encoded once and kept: a thousand equal requests cost one read."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace

from protocol.messages import DeltaQuery, Query

# What an entry costs besides its frames: the query, its packed runs and the tables' slots. Counted
# so that a million one-line files cannot take many times the bound.
ENTRY_OVERHEAD = 512


@dataclass(frozen=True, slots=True)
class Answer:
    """The encoded messages that answer one query.

    ``lasting``: a function of the query alone, so it may be kept. A failure, or a block set of
    which leaves are gone, holds only for the moment.
    """

    frames: tuple[bytes, ...] = field(repr=False)
    lasting: bool = True


class FrameCache:
    """Answers by query: immutable, bounded in bytes, least recently used goes first.

    ``answer`` runs in ``executor`` (for deltas, which may take seconds, in ``slow``), once for all
    equal queries in flight; who stops waiting does not stop it for the others. Used from one event
    loop.
    """

    def __init__(
        self,
        max_bytes: int,
        executor: Executor,
        answer: Callable[[Query], Answer],
        slow: Executor | None = None,
    ) -> None:
        self.max_bytes = max_bytes
        self.bytes = 0
        self.hits = 0
        self.misses = 0
        self.coalesced = 0
        self._executor = executor
        self._slow = slow or executor
        self._answer = answer
        self._kept: OrderedDict[Query, tuple[bytes, ...]] = OrderedDict()
        self._flights: dict[Query, asyncio.Future[Answer]] = {}

    def __len__(self) -> int:
        return len(self._kept)

    async def get(self, query: Query) -> tuple[bytes, ...]:
        """Return the encoded messages that answer ``query``; raise what ``answer`` raised."""
        if isinstance(query, DeltaQuery) and query.first:
            whole = await self.get(replace(query, first=0))
            return whole[query.first :] or whole
        kept = self._kept.get(query)
        if kept is not None:
            self.hits += 1
            self._kept.move_to_end(query)
            return kept
        flight = self._flights.get(query)
        if flight is None:
            self.misses += 1
            flight = self._launch(query)
        else:
            self.coalesced += 1
        # The shield keeps one waiter's cancellation from the others.
        return (await asyncio.shield(flight)).frames

    def _launch(self, query: Query) -> asyncio.Future[Answer]:
        loop = asyncio.get_running_loop()
        executor = self._slow if isinstance(query, DeltaQuery) else self._executor
        flight = loop.run_in_executor(executor, self._answer, query)
        self._flights[query] = flight
        # Registered before any waiter, so it runs first: a waiter that asks again finds the answer.
        flight.add_done_callback(lambda landed: self._land(query, landed))
        return flight

    def _land(self, query: Query, flight: asyncio.Future[Answer]) -> None:
        del self._flights[query]
        # Asking for the exception marks it as seen even when every waiter has left.
        if flight.cancelled() or flight.exception() is not None:
            return
        answer = flight.result()
        size = _size(answer.frames)
        if not answer.lasting or size > self.max_bytes:
            return
        self._kept[query] = answer.frames
        self.bytes += size
        while self.bytes > self.max_bytes:
            _, evicted = self._kept.popitem(last=False)
            self.bytes -= _size(evicted)


def _size(frames: tuple[bytes, ...]) -> int:
    return ENTRY_OVERHEAD + sum(map(len, frames))
