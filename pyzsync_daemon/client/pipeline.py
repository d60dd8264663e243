"""From an announced change to its commit: moves jobs between stages and says what is due.

    announced -> PENDING -> PREPARING -> FETCHING -> READY -> COMMITTING -> done
                              |             |                    |
                              +-------------+----> PARKED <------+   (and REFUSED)

Invariants: a path is worked on by one effect at a time; a newer change of a path replaces the one
that waits and abandons the one that is fetched; one version is fetched by one path, the others
that want it wait and are then copied locally.
"""

from __future__ import annotations

from collections.abc import Callable

from protocol.messages import Blocks, Change, Failed, Hashlist, Published, PublishedQuery
from pyzsync_daemon.client.effects import (
    Abandon,
    Commit,
    Committed,
    Effect,
    Finish,
    Outcome,
    Plan,
    Planned,
    Prepare,
    Prepared,
    Put,
    State,
)
from pyzsync_daemon.client.jobs import LOOSE, STAGED, STUCK, Job, Stage, Stages
from pyzsync_daemon.client.requests import Requests
from pyzsync_daemon.client.transfer import Transfer
from pyzsync_daemon.client.watermark import Watermark

BATCH = 256  # changes in one Prepare: enough to share a transaction, few enough to overlap
MAX_ACTIVE = 1024  # paths between Prepare and Commit: bounds memory, whatever the tree's size
MAX_COMMIT = 1024  # entries that share one sync of the disk
BIG = 16 * 2**20  # bytes: larger files are prepared one by one beside the small ones
RETRY_DISK = 5.0  # seconds until a change that the disk refused is tried again


class Pipeline:
    """All jobs of a replica. ``now`` is in seconds of any steady clock, given by the caller."""

    def __init__(self, requests: Requests) -> None:
        self.watermark = Watermark()
        self.jobs = Stages()
        self._requests = requests
        self._effects: list[Effect] = []
        self._published: set[tuple[str, bytes]] = set()
        self._fetching: dict[bytes, Job] = {}  # version -> the job that fetches it
        self._asleep: dict[str, Job] = {}  # jobs whose transfer pauses before it asks again
        self._handlers: dict[type, Callable[..., None]] = {
            Prepared: self._prepared,
            Planned: self._planned,
            Committed: self._committed,
        }

    # --- in ------------------------------------------------------------------------------------

    def announce(self, change: Change) -> None:
        """A path's new state; supersedes what is under way for it."""
        self.watermark.open(change.path, change.seq)
        job = self.jobs.get(change.path)
        if job is None:
            self.jobs.move(Job(change), Stage.PENDING)
        elif job.stage in LOOSE:
            job.change = change
            self.jobs.move(job, Stage.PENDING)
        elif job.stage in STAGED and job.carries(change):
            job.change, job.newer = change, None
            if job.transfer is not None:
                job.transfer.change = change
        else:
            job.newer = change
            self._overtake(job)

    def answer(
        self, message: Hashlist | Blocks | Published | Failed, owner: str, now: float
    ) -> None:
        """An answer to a query of the job at path ``owner``."""
        job = self.jobs.get(owner)
        if job is None:
            return
        match message:
            case Published():
                self._told(job, message.known)
            case Failed(query=PublishedQuery()):
                self._told(job, False)
            case Hashlist() if job.transfer is not None:
                job.transfer.hashlist(message)
            case Blocks() if job.transfer is not None:
                job.transfer.blocks(message)
            case Failed() if job.transfer is not None:
                job.transfer.refused(message, now)
                self._asleep[owner] = job
        self._step(job)

    def complete(self, effect: Effect, result: Prepared | Planned | Committed, now: float) -> None:
        """An effect has ended."""
        self._handlers[type(result)](effect, result, now)

    def paths(self) -> set[str]:
        """The paths that have a job."""
        return set(self.jobs.paths())

    def problems(self) -> dict[str, str]:
        """Paths that are not as the hub has them, and why."""
        stuck = [job for stage in STUCK for job in self.jobs.of(stage).values()]
        return {job.change.path: job.error for job in stuck}

    def forget_waiting(self) -> None:
        """A snapshot follows that names every path: jobs nothing was done for are dropped."""
        for stage in LOOSE:
            for job in list(self.jobs.of(stage).values()):
                self.jobs.remove(job)

    def lost(self) -> None:
        """The connection is gone; jobs stay where they are."""
        for job in self.jobs.of(Stage.FETCHING).values():
            if job.transfer is not None:
                job.transfer.lost()

    # --- out -----------------------------------------------------------------------------------

    def take(self, now: float) -> list[Effect]:
        """The effects that are due now."""
        for job in [j for j in self.jobs.of(Stage.PARKED).values() if j.retry_at <= now]:
            self.jobs.move(job, Stage.PENDING)
        for path, job in list(self._asleep.items()):
            if job.transfer is None or job.transfer.resume_at is None:
                del self._asleep[path]
            else:
                self._requests.want(path, job.transfer.resume(now))
        self._prepare()
        self._commit()
        effects, self._effects = self._effects, []
        return effects

    def wake_at(self) -> float | None:
        """When ``take`` has something new to do by itself."""
        times = [job.retry_at for job in self.jobs.of(Stage.PARKED).values()]
        for job in self._asleep.values():
            if job.transfer is not None and job.transfer.resume_at is not None:
                times.append(job.transfer.resume_at)
        return min(times, default=None)

    @property
    def idle(self) -> bool:
        """Nothing is under way; what is parked or refused waits for something from outside."""
        return len(self.jobs) == self.jobs.count(*STUCK)

    def _prepare(self) -> None:
        """One Prepare of small files and one of a big file may run at a time."""
        preparing = self.jobs.of(Stage.PREPARING).values()
        lanes = {job.change.size > BIG for job in preparing}
        room = MAX_ACTIVE - len(self.jobs) + self.jobs.count(*LOOSE)
        chosen: dict[bool, list[Job]] = {False: [], True: []}
        limit = {False: min(BATCH, room), True: min(1, room)}
        for job in self.jobs.of(Stage.PENDING).values():
            lane = job.change.size > BIG
            if lane not in lanes and len(chosen[lane]) < limit[lane]:
                chosen[lane].append(job)
            elif all(lane in lanes or len(chosen[lane]) >= limit[lane] for lane in limit):
                break
        for jobs in chosen.values():
            for job in jobs:
                self.jobs.move(job, Stage.PREPARING)
            if jobs:
                self._effects.append(Prepare(tuple(job.change for job in jobs)))

    def _commit(self) -> None:
        """One Commit at a time: what becomes ready meanwhile shares the next one."""
        if self.jobs.of(Stage.COMMITTING):
            return
        ready = [job for job in self.jobs.of(Stage.READY).values() if not job.asked][:MAX_COMMIT]
        for job in ready:
            self.jobs.move(job, Stage.COMMITTING)
        if ready:
            told, self._published = self._published, set()
            changes = tuple(job.change for job in ready)
            self._effects.append(Commit(changes, frozenset(told)))

    # --- what ended ----------------------------------------------------------------------------

    def _prepared(self, effect: Prepare, result: Prepared, now: float) -> None:
        for outcome in result.outcomes:
            job = self.jobs.get(outcome.change.path)
            assert job is not None and job.stage is Stage.PREPARING
            match outcome.state:
                case State.SATISFIED:
                    self._close(job)
                case State.READY | State.PULL:
                    self._staged(job, outcome)
                case State.REFUSED:
                    self._stick(job, Stage.REFUSED, outcome.error)
                case State.FAILED:
                    self._stick(job, Stage.PARKED, outcome.error, now + RETRY_DISK)

    def _staged(self, job: Job, outcome: Outcome) -> None:
        path, version = job.change.path, job.change.version
        self.jobs.move(job, Stage.READY)
        if outcome.state is State.PULL:
            if version in self._fetching:  # copied from there once it is in place
                self._abandon(job, then=Stage.FOLLOWING)
                return
            self._fetching[version] = job
            job.transfer = Transfer(job.change)
            self.jobs.move(job, Stage.FETCHING)
            self._requests.want(path, job.transfer.follow(outcome.plan))
        if outcome.local:
            job.asked = outcome.local
            self._requests.want(path, [PublishedQuery(path, outcome.local)])
        self._overtake(job)
        self._step(job)

    def _planned(self, effect: Effect, result: Planned, now: float) -> None:
        job = self.jobs.get(result.change.path)
        assert job is not None
        if isinstance(effect, Abandon):
            self._abandoned(job)
            return
        transfer = job.transfer
        assert transfer is not None
        transfer.busy = False
        if job.newer is not None:
            self._overtake(job)
        elif result.error or transfer.hopeless:
            job.error = result.error or "the hub's blocks do not verify"
            job.retry_at = now + RETRY_DISK
            self._abandon(job, then=Stage.PARKED)
        elif isinstance(effect, Put):
            self._requests.want(job.change.path, transfer.put(effect, result.plan, now))
            if transfer.resume_at is not None:
                self._asleep[job.change.path] = job
        elif isinstance(effect, Finish) and result.plan == Plan():
            job.transfer = None
            self.jobs.move(job, Stage.READY)
        else:
            self._requests.want(job.change.path, transfer.follow(result.plan))
        self._step(job)

    def _committed(self, effect: Commit, result: Committed, now: float) -> None:
        for applied in result.applied:
            self._end_fetch(applied.change.version)
            self._close(self._job(applied.change))
        for change in result.again:
            self._end_fetch(change.version)
            self._restart(self._job(change))
        for change, error in result.failed:
            self._end_fetch(change.version)
            self._stick(self._job(change), Stage.PARKED, error, now + RETRY_DISK)

    # --- moves ---------------------------------------------------------------------------------

    def _step(self, job: Job) -> None:
        """Emit the next effect of a job's transfer, if one is due."""
        if job.stage is Stage.FETCHING and job.transfer is not None:
            effect = job.transfer.next_step()
            if effect is not None:
                job.transfer.busy = True
                self._effects.append(effect)

    def _overtake(self, job: Job) -> None:
        """A newer change waits: give up what is staged as soon as no effect runs."""
        if job.newer is not None and job.stage in STAGED and not job.effect_runs:
            self._abandon(job, then=Stage.PENDING)

    def _abandon(self, job: Job, then: Stage) -> None:
        self._requests.drop(job.change.path)
        job.asked, job.transfer = b"", None
        job.after = then
        self.jobs.move(job, Stage.ABANDONING)
        self._effects.append(Abandon(job.change))
        if self._fetching.get(job.change.version) is job:
            self._end_fetch(job.change.version)

    def _abandoned(self, job: Job) -> None:
        leaderless = job.after is Stage.FOLLOWING and job.change.version not in self._fetching
        if job.newer is not None or job.after is Stage.PENDING or leaderless:
            self._restart(job)
        else:
            self.jobs.move(job, job.after)

    def _end_fetch(self, version: bytes) -> None:
        """The version is in place or given up: who waited for it may try now."""
        if self._fetching.pop(version, None) is None:
            return
        for job in list(self.jobs.of(Stage.FOLLOWING).values()):
            if job.change.version == version:
                self._restart(job)

    def _told(self, job: Job, known: bool) -> None:
        if known:
            self._published.add((job.change.path, job.asked))
        job.asked = b""

    def _close(self, job: Job) -> None:
        """Applied; a newer change goes on from here."""
        self.watermark.close(job.change.path, job.change.seq)
        if job.newer is None:
            self.jobs.remove(job)
        else:
            self._restart(job)

    def _restart(self, job: Job) -> None:
        job.change, job.newer = job.newer or job.change, None
        job.transfer, job.asked = None, b""
        self.jobs.move(job, Stage.PENDING)

    def _stick(self, job: Job, stage: Stage, error: str, retry_at: float = 0.0) -> None:
        if job.newer is not None:
            self._restart(job)
            return
        job.error, job.retry_at = error, retry_at
        self.jobs.move(job, stage)

    def _job(self, change: Change) -> Job:
        job = self.jobs.get(change.path)
        assert job is not None, f"no job for {change.path!r}"
        return job
