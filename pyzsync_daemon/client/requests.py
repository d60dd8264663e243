"""Which queries wait and which are asked: bounded in number and bytes, fair among paths.

Paths take turns, one query each, so that a file of 10 GB does not hold up a thousand small ones.
A query that is asked stays counted until its last part has come, even when nobody wants it any
more: the hub is still sending it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from protocol import runs
from protocol.codec import gets
from protocol.messages import BlockQuery, Get, HashQuery, Query
from pyzsync.grid import LEAF

HASH_ENTRY = 24  # bytes: the most that one node of a hashlist takes (4 of weak, 20 of strong)
SMALL_ANSWER = 128  # bytes: what any other answer takes, about


def weight(query: Query) -> int:
    """About how many bytes the answer takes in memory when decoded."""
    match query:
        case BlockQuery():
            return LEAF * runs.count(query.leaves)
        case HashQuery():
            return HASH_ENTRY * runs.count(query.nodes)
        case _:
            return SMALL_ANSWER


class Requests:
    """Queries of many owners (paths), turned into ``Get`` messages within the bounds."""

    def __init__(self, inflight_bytes: int) -> None:
        self.max_queries = 0  # set by Welcome; none may be asked before
        self._max_bytes = inflight_bytes
        self._bytes = 0
        self._waiting: dict[str, deque[Query]] = {}  # in the order of turns
        self._asked: dict[Query, str] = {}
        self._parts: dict[Query, int] = {}

    def want(self, owner: str, queries: Iterable[Query]) -> None:
        """Queue queries of one owner behind those it has."""
        queue = self._waiting.setdefault(owner, deque())
        queue.extend(queries)
        if not queue:
            del self._waiting[owner]

    def drop(self, owner: str) -> None:
        """The owner wants nothing any more; answers under way will find no owner."""
        self._waiting.pop(owner, None)
        for query, asker in self._asked.items():
            if asker == owner:
                self._asked[query] = ""

    def owner(self, query: Query) -> str:
        """Whose query this is; empty when it was not asked or nobody wants it."""
        return self._asked.get(query, "")

    def part(self, query: Query, parts: int) -> bool:
        """One of ``parts`` parts of an answer has come; true when it was the last."""
        if query not in self._asked:
            return False
        left = self._parts.get(query, parts) - 1
        if left > 0:
            self._parts[query] = left
            return False
        self._parts.pop(query, None)
        del self._asked[query]
        self._bytes -= weight(query)
        return True

    def lost(self) -> None:
        """The connection is gone: what was asked waits again, first in its owner's turn."""
        for query, owner in self._asked.items():
            if owner:
                self._waiting.setdefault(owner, deque()).appendleft(query)
        self._asked.clear()
        self._parts.clear()
        self._bytes = 0
        self.max_queries = 0

    def take(self) -> list[Get]:
        """The messages to send now: as many queries as the bounds allow.

        One query is always allowed, however heavy, or it would never be asked.
        """
        chosen: list[Query] = []
        skipped = 0
        while skipped < len(self._waiting) and len(self._asked) < self.max_queries:
            owner = next(iter(self._waiting))
            queue = self._waiting.pop(owner)
            query = queue[0]
            size = weight(query)
            if self._asked and self._bytes + size > self._max_bytes:
                self._waiting = {owner: queue, **self._waiting}
                break
            if query in self._asked:  # an answer that nobody wants is still on its way: later
                skipped += 1
            else:
                skipped = 0
                queue.popleft()
                self._asked[query] = owner
                self._bytes += size
                chosen.append(query)
            if queue:
                self._waiting[owner] = queue  # at the end: the next owner's turn
        return gets(chosen)

    @property
    def idle(self) -> bool:
        """Nothing waits and nothing is asked."""
        return not self._waiting and not self._asked
