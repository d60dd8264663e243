"""One version on its way to one path: which answers it waits for, and what comes next.

A plan may begin with a delta: each part is applied as it comes, and if that leads nowhere, the rest
of the plan is followed. It asks for hashes; with them ``Match`` makes a better plan; its block sets
are asked for, and while they are on their way ``Reuse`` stages the old bytes; then each set is
``Put``; when none is left, ``Finish`` verifies the whole. Steps of one transfer run one at a time;
several may be due.
"""

from __future__ import annotations

from collections import deque
from dataclasses import replace

import numpy as np

from protocol import runs
from protocol.errors import Code
from protocol.messages import (
    BlockQuery,
    Blocks,
    Change,
    Delta,
    Failed,
    Hashlist,
    HashQuery,
    Query,
)
from pyzsync.grid import WINDOW_LEAVES
from pyzsync.runs import mask_of
from pyzsync_daemon.client.effects import Apply, Finish, Match, Plan, Put, Reuse

FIRST_PAUSE = 0.5  # seconds before asking again for leaves that the hub no longer had
LONGEST_PAUSE = 30.0
MAX_BAD_SETS = 8  # block sets that did not verify before the transfer is given up
MAX_REFUSALS = 6  # refused in a row, some 30 s: long enough for a newer version to be announced


class Transfer:
    """A sans-I/O state machine; ``busy`` while one of its effects runs."""

    def __init__(self, change: Change) -> None:
        self.change = change
        self.busy = False
        self.resume_at: float | None = None
        self._due: deque[Apply | Put] = deque()
        self._otherwise: Plan | None = None  # while a delta is tried: what to do without it
        self._hashes: dict[HashQuery, Hashlist | None] = {}
        self._sets: dict[BlockQuery, dict[int, bytes]] = {}  # the parts of each, as they come
        self._reuses = False  # before the first set is put: they are checked together
        self._again: list[Query] = []
        self._pause = FIRST_PAUSE
        self._bad_sets = 0
        self._refusals = 0
        self._refusal = ""

    def follow(self, plan: Plan) -> tuple[Query, ...]:
        """Take on a plan; returns the queries to ask."""
        if plan.delta is not None:
            self._otherwise = replace(plan, delta=None)
            return (plan.delta,)
        if plan.hashes:
            self._hashes = dict.fromkeys(plan.hashes)
            return plan.hashes
        self._reuses = self._reuses or plan.reuse
        self._sets.update((query, {}) for query in plan.blocks)
        return plan.blocks

    def hashlist(self, query: HashQuery, answer: Hashlist) -> None:
        """The hashlist that ``query`` asked for (an incremental one lists fewer nodes)."""
        self._refusals = 0
        if query in self._hashes:
            self._hashes[query] = answer

    def delta(self, part: Delta) -> None:
        """A part of the delta; its ``Apply`` is due, together with those that wait already."""
        if self._otherwise is None:
            return
        last = self._due[-1] if self._due else None
        if isinstance(last, Apply):
            self._due[-1] = Apply(self.change, (*last.parts, part))
        else:
            self._due.append(Apply(self.change, (part,)))

    def applied(self, done: Apply, plan: Plan) -> tuple[Query, ...]:
        """Parts were staged; ``plan`` is not empty if the delta is of no use after all."""
        if plan == Plan():
            if ends(done):
                self._otherwise = None
            return ()
        return self._without_delta(plan)

    def no_delta(self) -> tuple[Query, ...]:
        """The hub has no delta: the queries that do without it."""
        return self._without_delta(self._otherwise) if self._otherwise is not None else ()

    def blocks(self, answer: Blocks) -> None:
        """A part of a block set, each coming once; with the last one the set's ``Put`` is due."""
        parts = self._sets.get(answer.query)
        if parts is None:
            return
        parts[answer.part] = answer.data
        if len(parts) < answer.parts:
            return
        del self._sets[answer.query]
        data = tuple(parts[part] for part in range(answer.parts))
        self._due.append(
            Put(self.change, answer.query, answer.coding, answer.size, answer.gone, data)
        )

    def refused(self, query: HashQuery | BlockQuery, answer: Failed, now: float) -> None:
        """The hub cannot answer now: ask again later, unless a newer version comes first."""
        if isinstance(query, BlockQuery):
            self._sets[query] = {}
        elif query.since and answer.code is Code.UNKNOWN_VERSION:
            self._absolute(query)
            query = replace(query, since=b"")
        self._again.append(query)
        reason = answer.code.name.lower().replace("_", " ")
        self._refuse(f"the hub cannot send it: {reason}", now, answer.retry_after_ms / 1000)

    def put(self, done: Put, plan: Plan, now: float) -> tuple[Query, ...]:
        """A block set was staged.

        ``plan`` names leaves that are still missing from its window, or the windows that are next.
        """
        asked = self.follow(plan)
        missing = [query for query in plan.blocks if query.window == done.query.window]
        if not missing:
            self._pause = FIRST_PAUSE
            self._refusals = 0
            return asked
        if not done.gone:
            # What was not asked for was copied, and wrong: that is not the hub's fault.
            self._bad_sets += any(_overlap(query, done.query) for query in missing)
            return asked
        self._again.extend(missing)
        self._refuse("the hub no longer has all of it", now)
        return tuple(query for query in asked if query not in missing)

    def lost(self) -> None:
        """The connection is gone; parts of one answer never mix with those of another."""
        self._sets = {query: {} for query in self._sets}

    @property
    def hopeless(self) -> str:
        """Why the transfer is to be given up; empty while there is hope."""
        if self._bad_sets >= MAX_BAD_SETS:
            return "the hub's blocks do not verify"
        return self._refusal if self._refusals >= MAX_REFUSALS else ""

    def resume(self, now: float) -> tuple[Query, ...]:
        """The queries to ask again, once their pause is over."""
        if self.resume_at is None or now < self.resume_at:
            return ()
        self.resume_at = None
        again, self._again = tuple(self._again), []
        return again

    def next_step(self) -> Match | Reuse | Apply | Put | Finish | None:
        """The effect that is due, if none is running."""
        if self.busy:
            return None
        if self._reuses:
            self._reuses = False
            return Reuse(self.change)
        if self._due:
            return self._due.popleft()
        if self._hashes:
            lists = [answer for answer in self._hashes.values() if answer is not None]
            if len(lists) < len(self._hashes):
                return None
            self._hashes = {}
            return Match(self.change, tuple(lists))
        waits = self._sets or self._again or self._otherwise is not None
        return None if waits else Finish(self.change)

    def _without_delta(self, plan: Plan) -> tuple[Query, ...]:
        self._otherwise = None
        self._due.clear()
        return self.follow(plan)

    def _absolute(self, query: HashQuery) -> None:
        """The hub does not know the version that ours was to be compared with."""
        if query in self._hashes:
            del self._hashes[query]
            self._hashes[replace(query, since=b"")] = None

    def _refuse(self, reason: str, now: float, at_least: float = 0.0) -> None:
        """All that is refused until the pause is over counts once."""
        if self.resume_at is None:
            self._refusal = reason
            self._refusals += 1
            self.resume_at = now + max(self._pause, at_least)
            self._pause = min(self._pause * 2, LONGEST_PAUSE)


def ends(done: Apply) -> bool:
    """Whether the last part of the delta is among those that were staged."""
    last = done.parts[-1]
    return last.part == last.parts - 1


def _overlap(a: BlockQuery, b: BlockQuery) -> bool:
    """Whether two queries for one window name any leaf both."""
    masks = (mask_of(runs.decode(each.leaves), WINDOW_LEAVES) for each in (a, b))
    return bool(np.logical_and(*masks).any())
