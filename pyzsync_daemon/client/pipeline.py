"""From an announced change to its commit: what came in moves jobs on, and says what is due.

``client/board.py`` has the stages and the moves; here is what causes them. ``now`` is in seconds of
any steady clock, given by the caller.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice

from protocol.errors import Code
from protocol.messages import (
    BlockQuery,
    Blocks,
    Delta,
    DeltaQuery,
    Failed,
    Get,
    Hashlist,
    HashQuery,
    Kind,
    Published,
    PublishedQuery,
    Query,
)
from pyzsync_daemon.client.board import BIG, Board
from pyzsync_daemon.client.effects import (
    Abandon,
    Apply,
    Commit,
    Committed,
    Effect,
    Outcome,
    Plan,
    Planned,
    Prepare,
    Prepared,
    Put,
    State,
)
from pyzsync_daemon.client.jobs import LOOSE, Job, Stage
from pyzsync_daemon.client.pushed import Pushed
from pyzsync_daemon.client.requests import Answer, Asked, Requests
from pyzsync_daemon.client.transfer import ends

BATCH = 256  # changes in one Prepare: enough to share a transaction, few enough to overlap
ASK_DELTA = 256 * 2**10  # bytes: of smaller files a delta saves less than it costs the hub to make
MAX_ACTIVE = 2048  # paths between Prepare and Commit: bounds memory, whatever the tree's size
HELD_BYTES = 2**30  # sizes of files that are fetched at a time: some 10 % of it is memory
TO_COME = (Stage.PENDING_BIG, Stage.FOLLOWING)  # what a deletion may pass on its way


class Pipeline:
    """All jobs of a replica, and what they ask of the hub."""

    def __init__(self, inflight_bytes: int) -> None:
        self._requests = Requests(inflight_bytes)
        self._pushed = Pushed()
        self._connection = 0
        self.board = Board(self._requests)

    # --- in ------------------------------------------------------------------------------------

    def connected(self, max_queries: int) -> None:
        """A hub stands ready to answer; what was not applied is announced again."""
        self._requests.max_queries = max_queries
        self._connection += 1
        self.board.watermark.reset()

    def lost(self) -> None:
        """The connection is gone; jobs stay where they are."""
        self._requests.lost()
        for job in self.board.stages.of(Stage.FETCHING).values():
            if job.transfer is not None:
                job.transfer.lost()

    def answer(self, message: Answer, now: float) -> None:
        """An answer has come, or a part of one. Raises ``ProtocolError`` if it makes no sense."""
        asked = self._requests.answered(message)
        if asked is not None and asked.owner:
            self._use(message, asked, now)
        elif asked is None and isinstance(message, Hashlist | Delta):
            self._pushed.keep(message)

    def complete(self, effect: Effect, result: Prepared | Planned | Committed, now: float) -> None:
        """An effect has ended."""
        match result:
            case Prepared():
                for outcome in result.outcomes:
                    self._prepared(outcome, now)
            case Planned():
                self._planned(effect, result, now)
            case Committed():
                self._committed(result, now)

    # --- out -----------------------------------------------------------------------------------

    def take(self, now: float) -> tuple[list[Get], list[Effect]]:
        """The queries to send and the effects to run now."""
        gets: list[Get] = []
        self.board.wake(now)
        while True:
            self._prepare()
            self._commit(now)
            asked = self._requests.take()
            if not asked:
                break
            gets += self._serve(asked, now)  # what was pushed may make more due
        effects, self.board.effects = self.board.effects, []
        return gets, effects

    def _serve(self, asked: list[Get], now: float) -> Iterator[Get]:
        """Answer what was pushed; the rest is to be sent."""
        for get in asked:
            known = {query: self._known(query) for query in get.queries}
            unknown = tuple(query for query in get.queries if not known[query])
            if unknown:
                yield Get(unknown)
            for messages in known.values():
                for message in messages:
                    self.answer(message, now)

    def _known(self, query: Query) -> Sequence[Answer]:
        """The answer, if the hub need not be asked."""
        pushed = self._pushed.take(query)
        if not pushed and isinstance(query, DeltaQuery):
            job = self._job(self._requests.owner(query))
            if job.change.size < ASK_DELTA:
                return (Failed(query, Code.NO_DELTA),)
        return pushed

    def _prepare(self) -> None:
        """One Prepare of small files and one of a big file may run at a time.

        What is kept in memory of files while they come grows with their size: small ones and big
        ones may have ``HELD_BYTES`` each between Prepare and the end of their transfer.
        """
        stages = self.board.stages
        if not stages.count(Stage.PENDING, Stage.PENDING_BIG):
            return
        running = {job.change.size > BIG for job in stages.of(Stage.PREPARING).values()}
        room = MAX_ACTIVE - (len(stages) - stages.count(*LOOSE))
        for big, stage, most in ((True, Stage.PENDING_BIG, 1), (False, Stage.PENDING, BATCH)):
            if big in running:
                continue
            jobs = self._pick(stage, min(most, room), big=big)
            room -= len(jobs)
            for job in jobs:
                stages.move(job, Stage.PREPARING)
            if jobs:
                self.board.effects.append(self._preparation(jobs))

    def _pick(self, stage: Stage, most: int, *, big: bool) -> list[Job]:
        """The next jobs to prepare; one is always allowed, however large."""
        waiting = self.board.stages.of(stage)
        if not waiting or most <= 0:
            return []
        held = sum(
            job.change.size
            for each in (Stage.FETCHING, Stage.ABANDONING)
            for job in self.board.stages.of(each).values()
            if (job.change.size > BIG) is big
        )
        jobs: list[Job] = []
        for job in islice(waiting.values(), most):
            if held and held + job.change.size > HELD_BYTES:
                break
            held += job.change.size
            jobs.append(job)
        return jobs

    def _preparation(self, jobs: list[Job]) -> Prepare:
        """With the first of several deletions, all that were announced are judged."""
        changes = tuple(job.change for job in jobs)
        board = self.board
        if all(change.kind is not Kind.ABSENT for change in changes):
            return Prepare(changes, connection=self._connection)
        deletions = tuple(board.deletions)
        board.deletions.clear()
        waiting = [path for stage in TO_COME for path in board.stages.of(stage)]
        return Prepare(changes, deletions, tuple(waiting) if deletions else (), self._connection)

    def _commit(self, now: float) -> None:
        """One Commit at a time: what becomes ready meanwhile shares the next one."""
        stages = self.board.stages
        if stages.of(Stage.COMMITTING):
            return
        jobs = [job for job in stages.of(Stage.READY).values() if not job.asked]
        if not self.board.gather.enough(len(jobs), now, more=self.board.more_small()):
            return
        for job in jobs:
            stages.move(job, Stage.COMMITTING)
        told = frozenset((job.change.path, job.published) for job in jobs if job.published)
        self.board.effects.append(Commit(tuple(job.change for job in jobs), told))

    # --- what came -----------------------------------------------------------------------------

    def _use(self, message: Answer, asked: Asked, now: float) -> None:
        job = self._job(asked.owner)
        query, transfer = asked.query, job.transfer
        if isinstance(query, PublishedQuery):
            known = isinstance(message, Published) and message.known
            job.asked, job.published = b"", job.asked if known else b""
        elif transfer is not None:
            match message:
                case Hashlist() if isinstance(query, HashQuery):
                    transfer.hashlist(query, message)
                case Blocks():
                    transfer.blocks(message)
                case Delta():
                    transfer.delta(message)
                case Failed() if isinstance(query, DeltaQuery):
                    self._requests.want(asked.owner, transfer.no_delta())
                case Failed() if isinstance(query, HashQuery | BlockQuery):
                    transfer.refused(query, message, now)
                    self.board.sleep(job)
        self._go_on(job, now)

    def _prepared(self, outcome: Outcome, now: float) -> None:
        job, board = self._job(outcome.change.path), self.board
        match outcome.state:
            case State.SATISFIED:
                board.close(job)
            case State.REFUSED:
                board.refuse(job, outcome.error)
            case State.FAILED:
                board.park(job, outcome.error, now)
            case State.READY | State.PULL:
                self._staged(job, outcome, now)

    def _staged(self, job: Job, outcome: Outcome, now: float) -> None:
        board = self.board
        if outcome.state is State.READY:
            board.ready(job)
        elif not board.fetch(job, outcome.plan):
            return
        if outcome.local:
            board.ask(job, outcome.local)
        board.overtake(job)
        self._go_on(job, now)

    def _planned(self, effect: Effect, result: Planned, now: float) -> None:
        job, board = self._job(result.change.path), self.board
        if isinstance(effect, Abandon):
            board.abandoned(job)
            return
        path, transfer = result.change.path, job.transfer
        assert transfer is not None
        transfer.busy = False
        if isinstance(effect, Put):
            self._requests.staged(path, effect.query)
        if isinstance(effect, Apply) and result.plan == Plan() and ends(effect):
            self._requests.staged(path, effect.parts[0].query)
        board.overtake(job)
        if job.stage is not Stage.FETCHING:
            return
        if result.error:
            board.give_up(job, result.error, now)
        elif result.whole:
            board.ready(job)
        elif isinstance(effect, Put):
            self._requests.want(path, transfer.put(effect, result.plan, now))
            board.sleep(job)
        elif isinstance(effect, Apply):
            if result.plan != Plan():
                self._requests.give_up(path, effect.parts[0].query)
            self._requests.want(path, transfer.applied(effect, result.plan))
        else:
            self._requests.want(path, transfer.follow(result.plan))
        self._go_on(job, now)

    def _committed(self, result: Committed, now: float) -> None:
        board = self.board
        for applied in result.applied:
            board.close(self._job(applied.change.path))
        for change in result.again:
            board.restart(self._job(change.path))
        for change, error in result.failed:
            board.park(self._job(change.path), error, now)
        for change, error in result.refused:
            board.refuse(self._job(change.path), error)
        assert not board.stages.of(Stage.COMMITTING)  # a Commit answers for each of its changes

    def _go_on(self, job: Job, now: float) -> None:
        """The next effect of a job's transfer, or its end if there is no hope."""
        transfer = job.transfer
        if transfer is not None and transfer.hopeless and not transfer.busy:
            self.board.give_up(job, transfer.hopeless, now)
        self.board.step(job)

    def _job(self, path: str) -> Job:
        job = self.board.stages.get(path)
        assert job is not None, f"no job for {path!r}"
        return job
