"""The jobs of a replica, and every move that one can make.

    PENDING -> PREPARING -> FETCHING -> READY -> COMMITTING -> gone
                   |            |                    |
                   +------------+----> PARKED <------+    (and REFUSED)
                   +-> ABANDONING -> FOLLOWING -> PENDING

Invariants: a path is worked on by one effect at a time; a newer change of a path replaces the one
that waits and abandons the one that is fetched; one version is fetched by one path, the others
that want it wait and are then copied locally.
"""

from __future__ import annotations

import heapq

from protocol.messages import Change, Kind, PublishedQuery
from pyzsync_daemon.client.effects import Abandon, Effect, Plan
from pyzsync_daemon.client.gather import Gather
from pyzsync_daemon.client.jobs import LOOSE, STAGED, STUCK, Job, Stage, Stages
from pyzsync_daemon.client.requests import Requests
from pyzsync_daemon.client.transfer import Transfer
from pyzsync_daemon.client.watermark import Watermark

BIG = 16 * 2**20  # bytes: larger files are prepared one by one beside the small ones
RETRY = 5.0  # seconds until a change that the disk or the hub refused is tried again...
LONGEST_RETRY = 300.0  # ...for the first time; the pause doubles: each try may copy the whole file
COMING = (Stage.PREPARING, Stage.FETCHING)  # what is soon ready


class Board:
    """``effects`` are those that moves have made due, to be taken by who runs them."""

    def __init__(self, requests: Requests) -> None:
        self.stages = Stages()
        self.watermark = Watermark()
        self.gather = Gather()
        self.requests = requests
        self.effects: list[Effect] = []
        self.problems: dict[str, str] = {}  # paths that are not as the hub has them, and why
        self.deletions: dict[str, None] = {}  # announced, and not yet judged by the guard
        self._retries: list[tuple[float, str]] = []  # a heap; entries that do not hold are skipped
        self._asleep: dict[str, Job] = {}  # jobs whose transfer pauses before it asks again
        self._fetching: dict[bytes, Job] = {}  # version -> the job that fetches it

    # --- a job's way ---------------------------------------------------------------------------

    def enter(self, change: Change) -> None:
        """A path's new state; supersedes what is under way for it."""
        self.watermark.open(change.path, change.seq)
        self.deletions.pop(change.path, None)
        if change.kind is Kind.ABSENT:
            self.deletions[change.path] = None
        job = self.stages.get(change.path)
        if job is None:
            self._enqueue(Job(change))
        elif job.stage in LOOSE:
            job.take(change)
            self._enqueue(job)
        else:
            job.newer = change
            self.overtake(job)

    def ready(self, job: Job) -> None:
        """Staged and verified."""
        job.transfer = None
        self.stages.move(job, Stage.READY)

    def fetch(self, job: Job, plan: Plan) -> bool:
        """Begin a transfer, unless another path has: then this one is copied from there."""
        version = job.change.version
        if version in self._fetching:
            self.abandon(job, then=Stage.FOLLOWING)
            return False
        self._fetching[version] = job
        job.transfer = Transfer(job.change)
        self.stages.move(job, Stage.FETCHING)
        self.requests.want(job.change.path, job.transfer.follow(plan))
        return True

    def ask(self, job: Job, version: bytes) -> None:
        """Find out whether local content is the hub's own before it is replaced."""
        job.asked = version
        self.requests.want(job.change.path, [PublishedQuery(job.change.path, version)])

    def step(self, job: Job) -> None:
        """Emit the next effect of a job's transfer, if one is due."""
        if job.stage is Stage.FETCHING and job.transfer is not None:
            effect = job.transfer.next_step()
            if effect is not None:
                job.transfer.busy = True
                self.effects.append(effect)

    def overtake(self, job: Job) -> None:
        """A newer change waits: go on for it if that serves, else give up when no effect runs."""
        if job.newer is None or job.stage not in STAGED:
            return
        if job.carries(job.newer):
            job.change, job.newer = job.newer, None
            if job.transfer is not None:
                job.transfer.change = job.change
        elif not job.effect_runs:
            self.abandon(job, then=Stage.PENDING)

    def give_up(self, job: Job, reason: str, now: float) -> None:
        """A transfer failed: try the change from the start in a while."""
        self.problems[job.change.path] = reason
        self._retry_later(job, now)
        self.abandon(job, then=Stage.PARKED)

    def abandon(self, job: Job, then: Stage) -> None:
        """Close what is staged; its bytes stay as old bytes."""
        self.requests.drop(job.change.path)
        job.asked = job.published = b""
        job.transfer, job.after = None, then
        self.stages.move(job, Stage.ABANDONING)
        self.effects.append(Abandon(job.change))
        self._end_fetch(job)

    def abandoned(self, job: Job) -> None:
        """Staging is closed."""
        leaderless = job.after is Stage.FOLLOWING and job.change.version not in self._fetching
        if job.newer is not None or job.after is Stage.PENDING or leaderless:
            self.restart(job)
        else:
            self._rest(job, job.after)

    def close(self, job: Job) -> None:
        """As announced; a newer change goes on from here."""
        self._end_fetch(job)
        if job.newer is not None:
            self.restart(job)
            return
        self.watermark.close(job.change.path, job.change.seq)
        self._forget(job)

    def restart(self, job: Job) -> None:
        """Begin again, with the newest change."""
        self._end_fetch(job)
        job.take(job.newer or job.change)
        job.newer = None
        job.asked = job.published = b""
        self._enqueue(job)

    def park(self, job: Job, reason: str, now: float) -> None:
        """The disk said no: try again in a while."""
        self._retry_later(job, now)
        self._stick(job, Stage.PARKED, reason)

    def refuse(self, job: Job, reason: str) -> None:
        """Policy leaves the path alone until it changes again."""
        self._stick(job, Stage.REFUSED, reason)

    # --- many jobs -----------------------------------------------------------------------------

    def sleep(self, job: Job) -> None:
        """The job's transfer may pause."""
        if job.transfer is not None and job.transfer.resume_at is not None:
            self._asleep[job.change.path] = job

    def wake(self, now: float) -> None:
        """Whose time has come tries again."""
        while (job := self._next_retry()) is not None and job.retry_at <= now:
            self._enqueue(job)
        for path, job in list(self._asleep.items()):
            if job.transfer is not None:
                self.requests.want(path, job.transfer.resume(now))
            if job.transfer is None or job.transfer.resume_at is None:
                del self._asleep[path]

    def wake_at(self) -> float | None:
        """When ``wake`` has something to do."""
        parked = self._next_retry()
        times = [] if parked is None else [parked.retry_at]
        if self.gather.at is not None:
            times.append(self.gather.at)
        for job in self._asleep.values():
            if job.transfer is not None and job.transfer.resume_at is not None:
                times.append(job.transfer.resume_at)
        return min(times, default=None)

    def forget_loose(self) -> None:
        """Drop the jobs for which nothing is held."""
        for stage in LOOSE:
            for job in list(self.stages.of(stage).values()):
                self._forget(job)

    def more_small(self) -> bool:
        """Whether small files are on their way to be ready."""
        coming = (job for stage in COMING for job in self.stages.of(stage).values())
        return any(job.change.size <= BIG for job in coming)

    @property
    def idle(self) -> bool:
        """Nothing is under way; what is parked or refused waits for something from outside."""
        return len(self.stages) == self.stages.count(*STUCK)

    # --- inside --------------------------------------------------------------------------------

    def _enqueue(self, job: Job) -> None:
        big = job.change.size > BIG
        self.stages.move(job, Stage.PENDING_BIG if big else Stage.PENDING)

    def _stick(self, job: Job, stage: Stage, reason: str) -> None:
        self._end_fetch(job)
        if job.newer is not None:
            self.restart(job)
            return
        self.problems[job.change.path] = reason
        self._rest(job, stage)

    def _rest(self, job: Job, stage: Stage) -> None:
        self.stages.move(job, stage)
        if stage is Stage.PARKED:
            heapq.heappush(self._retries, (job.retry_at, job.change.path))

    def _retry_later(self, job: Job, now: float) -> None:
        job.retry_at = now + min(RETRY * 2 ** min(job.tries, 10), LONGEST_RETRY)
        job.tries += 1

    def _next_retry(self) -> Job | None:
        """The parked job whose turn comes first."""
        while self._retries:
            at, path = self._retries[0]
            job = self.stages.of(Stage.PARKED).get(path)
            if job is not None and job.retry_at == at:
                return job
            heapq.heappop(self._retries)
        return None

    def _forget(self, job: Job) -> None:
        self.stages.remove(job)
        self.problems.pop(job.change.path, None)

    def _end_fetch(self, job: Job) -> None:
        """Its version is in place or given up: who waited for it may try now."""
        version = job.change.version
        if self._fetching.get(version) is not job:
            return
        del self._fetching[version]
        for follower in list(self.stages.of(Stage.FOLLOWING).values()):
            if follower.change.version == version:
                self._enqueue(follower)
