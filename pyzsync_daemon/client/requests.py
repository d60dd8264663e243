"""Which queries wait and which are asked: bounded in number and bytes, fair among paths.

Paths take turns, one query each, so that a file of 10 GB does not hold up a thousand small ones.
A query that is asked stays counted until its last part has come, even when nobody wants it any
more: the hub is still sending it. A block set's bytes stay counted until they are staged: a disk
that is slower than the network must not fill the memory.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from protocol.codec import gets
from protocol.errors import BadMessage
from protocol.messages import (
    BlockQuery,
    Blocks,
    Delta,
    DeltaQuery,
    Failed,
    Get,
    Hashlist,
    HashQuery,
    Published,
    Query,
)
from pyzsync_daemon.weight import weight

Answer = Hashlist | Blocks | Delta | Published | Failed


def key(query: Query) -> Query:
    """What an answer is matched on: an incremental hashlist names fewer nodes than were asked, and
    the rest of a delta names the whole."""
    if isinstance(query, HashQuery) and query.since:
        return replace(query, nodes=b"")
    if isinstance(query, DeltaQuery) and query.first:
        return replace(query, first=0)
    return query


@dataclass(slots=True)
class Asked:
    """A query on its way, whose it is (nobody's: empty), and which parts have come."""

    query: Query
    owner: str
    first: Blocks | Delta | None = None  # without what differs from part to part
    came: set[int] = field(default_factory=set)

    def take_in(self, part: Blocks | Delta) -> bool:
        """True when all parts have come. Raises ``BadMessage`` when they do not belong together."""
        name = type(part).__name__
        facts = replace(part, part=0, data=b"")
        if self.first is not None and facts != self.first:
            raise BadMessage(name, "is not like the part before it")
        if part.part in self.came:
            raise BadMessage(f"{name}.part", f"{part.part} has come before")
        self.first = facts
        self.came.add(part.part)
        return len(self.came) == part.parts

    def repeats(self, part: Delta) -> bool:
        """Whether this part has come before: a pushed delta may cross the query that it answers,
        and is pushed again after a cut."""
        if self.first is None and part.parts <= len(self.came):
            self.came.clear()  # coded otherwise since the cut: this is the beginning of the whole
        return part.part in self.came

    @property
    def rest(self) -> Query:
        """What to ask on the next connection: parts of a delta come in order and are kept."""
        if isinstance(self.query, DeltaQuery):
            return replace(self.query, first=len(self.came))
        return self.query


def _asked(query: Query, owner: str) -> Asked:
    first = query.first if isinstance(query, DeltaQuery) else 0
    return Asked(query, owner, came=set(range(first)))


class Requests:
    """Queries of many owners (paths), turned into ``Get`` messages within the bounds."""

    def __init__(self, max_bytes: int) -> None:
        self.max_queries = 0  # none may be asked before the hub has said how many
        self.bytes = 0
        self._max_bytes = max_bytes
        self._waiting: dict[str, deque[Query]] = {}  # in the order of turns
        self._asked: dict[Query, Asked] = {}
        self._held: dict[str, int] = {}  # bytes of block sets and deltas that have come, by owner

    def want(self, owner: str, queries: Iterable[Query]) -> None:
        """Queue queries of one owner behind those it has."""
        queue = self._waiting.setdefault(owner, deque())
        queue.extend(queries)
        if not queue:
            del self._waiting[owner]

    def drop(self, owner: str) -> None:
        """The owner wants nothing any more; answers under way will find no owner."""
        self._waiting.pop(owner, None)
        self.bytes -= self._held.pop(owner, 0)
        for asked in self._asked.values():
            if asked.owner == owner:
                asked.owner = ""

    def answered(self, message: Answer) -> Asked | None:
        """An answer, or a part of one, has come; None if it was not asked for.

        Raises ``BadMessage`` when parts do not belong together: the set would never be whole.
        """
        name = key(message.query)
        asked = self._asked.get(name)
        if asked is None:
            return None
        if isinstance(message, Delta) and asked.repeats(message):
            return None
        if isinstance(message, Blocks | Delta) and not asked.take_in(message):
            return asked
        del self._asked[name]
        if isinstance(message, Blocks | Delta) and asked.owner:
            self._held[asked.owner] = self._held.get(asked.owner, 0) + weight(asked.query)
        else:
            self.bytes -= weight(asked.query)
        return asked

    def staged(self, owner: str, query: BlockQuery | DeltaQuery) -> None:
        """A block set, or the last part of a delta, that came is on disk."""
        self._held[owner] -= weight(query)
        self.bytes -= weight(query)

    def give_up(self, owner: str, query: DeltaQuery) -> None:
        """The delta is of no use: what is still to come is nobody's, what came is let go."""
        queue = self._waiting.get(owner, ())
        kept = [each for each in queue if key(each) != key(query)]
        asked = self._asked.get(key(query))
        if len(kept) < len(queue):
            self._waiting.pop(owner)
            self.want(owner, kept)
        elif asked is not None and asked.owner == owner:
            asked.owner = ""
        elif self._held.get(owner):
            self.staged(owner, query)

    def owner(self, query: Query) -> str:
        """Whose query it is that has been asked."""
        return self._asked[key(query)].owner

    def lost(self) -> None:
        """The connection is gone: what was asked waits again, first in its owner's turn."""
        for asked in reversed(self._asked.values()):
            if asked.owner:
                self._waiting.setdefault(asked.owner, deque()).appendleft(asked.rest)
        self._asked.clear()
        self.bytes = sum(self._held.values())
        self.max_queries = 0

    def take(self) -> list[Get]:
        """The messages to send now: as many queries as the bounds allow.

        One query is always allowed, however heavy, or it would never be asked.
        """
        if not self._waiting:
            return []
        chosen: list[Query] = []
        passed = 0  # owners in a row whose turn has to wait
        while passed < len(self._waiting) and len(self._asked) < self.max_queries:
            owner, queue = next(iter(self._waiting.items()))
            query = queue[0]
            size = weight(query)
            if self.bytes and self.bytes + size > self._max_bytes:
                break
            del self._waiting[owner]
            if key(query) in self._asked:  # the answer to who gave it up is still on its way
                passed += 1
            else:
                passed = 0
                queue.popleft()
                self._asked[key(query)] = _asked(query, owner)
                self.bytes += size
                chosen.append(query)
            if queue:
                self._waiting[owner] = queue  # at the end: the next owner's turn
        return gets(chosen)
