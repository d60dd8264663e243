"""One version on its way to one path: which answers it waits for, and what comes next.

A plan asks for hashes; with them ``Match`` makes a better plan; its block sets are fetched and
each is ``Put``; when none is left, ``Finish`` verifies the whole. Steps of one transfer run one
at a time; several may be due.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from protocol.messages import BlockQuery, Blocks, Change, Failed, Hashlist, HashQuery, Query
from pyzsync_daemon.client.effects import Finish, Match, Plan, Put

FIRST_PAUSE = 0.5  # seconds before asking again for leaves that the hub no longer had
LONGEST_PAUSE = 30.0
MAX_BAD_SETS = 8  # block sets that did not verify before the transfer is given up


class Transfer:
    """A sans-I/O state machine; ``busy`` while one of its effects runs."""

    def __init__(self, change: Change) -> None:
        self.change = change
        self.busy = False
        self.resume_at: float | None = None
        self._due: deque[Put] = deque()
        self._hashes: dict[HashQuery, Hashlist | None] = {}
        self._sets: dict[BlockQuery, _BlockSet] = {}
        self._again: list[Query] = []
        self._pause = FIRST_PAUSE
        self._bad_sets = 0

    def follow(self, plan: Plan) -> tuple[Query, ...]:
        """Take on a plan; returns the queries to ask."""
        if plan.hashes:
            self._hashes = dict.fromkeys(plan.hashes)
            return plan.hashes
        self._sets.update((query, _BlockSet()) for query in plan.blocks)
        return plan.blocks

    def hashlist(self, answer: Hashlist) -> None:
        """A hashlist has come."""
        if answer.query in self._hashes:
            self._hashes[answer.query] = answer

    def blocks(self, answer: Blocks) -> None:
        """A part of a block set has come; with the last one its ``Put`` is due."""
        received = self._sets.get(answer.query)
        if received is None or not received.add(answer):
            return
        del self._sets[answer.query]
        self._due.append(
            Put(
                self.change,
                answer.query,
                answer.coding,
                answer.size,
                answer.gone,
                received.joined(),
            )
        )

    def refused(self, answer: Failed, now: float) -> None:
        """The hub cannot answer now: ask again later, unless a newer version comes first."""
        self._again.append(answer.query)
        self._wait(now, answer.retry_after_ms / 1000)

    def put(self, done: Put, plan: Plan, now: float) -> tuple[Query, ...]:
        """A block set was staged; ``plan`` names leaves that are still missing from its window."""
        if not plan.blocks:
            self._pause = FIRST_PAUSE
            return ()
        if not done.gone:
            self._bad_sets += 1
            return self.follow(plan)
        self._sets.update((query, _BlockSet()) for query in plan.blocks)
        self._again.extend(plan.blocks)
        self._wait(now, 0.0)
        return ()

    def lost(self) -> None:
        """The connection is gone; parts of one answer never mix with those of another."""
        self._sets = {query: _BlockSet() for query in self._sets}

    def awaits(self, query: BlockQuery) -> bool:
        """Parts of this block set are still to come."""
        return query in self._sets

    @property
    def hopeless(self) -> bool:
        """Too many block sets did not verify."""
        return self._bad_sets >= MAX_BAD_SETS

    def resume(self, now: float) -> tuple[Query, ...]:
        """The queries to ask again, once their pause is over."""
        if self.resume_at is None or now < self.resume_at:
            return ()
        self.resume_at = None
        again, self._again = tuple(self._again), []
        return again

    def next_step(self) -> Match | Put | Finish | None:
        """The effect that is due, if none is running."""
        if self.busy:
            return None
        if self._due:
            return self._due.popleft()
        if self._hashes:
            lists = [answer for answer in self._hashes.values() if answer is not None]
            if len(lists) < len(self._hashes):
                return None
            self._hashes = {}
            return Match(self.change, tuple(lists))
        return None if self._sets or self._again else Finish(self.change)

    def _wait(self, now: float, at_least: float) -> None:
        if self.resume_at is None:
            self.resume_at = now + max(self._pause, at_least)
            self._pause = min(self._pause * 2, LONGEST_PAUSE)


@dataclass(slots=True)
class _BlockSet:
    """The parts of one answer, as they come."""

    parts: dict[int, bytes] = field(default_factory=dict)

    def add(self, answer: Blocks) -> bool:
        """True when all parts are here. A repeated part replaces the earlier one."""
        self.parts[answer.part] = answer.data
        return len(self.parts) == answer.parts

    def joined(self) -> tuple[bytes, ...]:
        return tuple(self.parts[part] for part in sorted(self.parts))
