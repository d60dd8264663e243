"""The low watermark: up to which announced change everything is applied or superseded.

Invariant: a position is *reached* only when no change announced up to it is still open, so a
client that restarts from the last reached position is told again of everything it had not done.
"""

from __future__ import annotations

import heapq
from collections import deque
from itertools import islice

from protocol.messages import Position

MAX_POSITIONS = 1024  # positions that wait: one refused path may hold back months of them
SLACK = 64  # superseded entries that the heap may hold beside as many as are open


class Watermark:
    """Open changes by path, and the positions that wait for them."""

    def __init__(self) -> None:
        self._open: dict[str, int] = {}
        self._order: list[tuple[int, str]] = []  # a heap; entries that no longer hold are skipped
        self._positions: deque[Position] = deque()

    def open(self, path: str, seq: int) -> None:
        """A change was announced. It supersedes an older one of the same path."""
        self._open[path] = seq
        heapq.heappush(self._order, (seq, path))
        if len(self._order) > 2 * len(self._open) + SLACK:
            self._order = [(seq, path) for path, seq in self._open.items()]
            heapq.heapify(self._order)

    def close(self, path: str, seq: int) -> None:
        """The change is applied; no effect when a newer one has superseded it."""
        if self._open.get(path) == seq:
            del self._open[path]

    def mark(self, position: Position) -> None:
        """Everything up to ``position`` has been announced."""
        self._positions.append(position)
        if len(self._positions) > MAX_POSITIONS:  # every other one goes; the newest stays
            newest_first = islice(reversed(self._positions), 0, None, 2)
            self._positions = deque(reversed(tuple(newest_first)))

    def reached(self) -> Position | None:
        """The newest position reached since the last call, if any."""
        newest = None
        lowest = self._lowest()
        while self._positions and (lowest is None or self._positions[0].seq < lowest):
            newest = self._positions.popleft()
        return newest

    def reset(self) -> None:
        """A new connection announces again from the last reached position."""
        self._open.clear()
        self._order.clear()
        self._positions.clear()

    def _lowest(self) -> int | None:
        while self._order and self._open.get(self._order[0][1]) != self._order[0][0]:
            heapq.heappop(self._order)
        return self._order[0][0] if self._order else None
