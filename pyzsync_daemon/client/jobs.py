"""One path's job, and the stages that jobs are in."""

from __future__ import annotations

from collections.abc import KeysView
from dataclasses import dataclass
from enum import Enum

from protocol.messages import Change, Kind, Position
from pyzsync_daemon.client.transfer import Transfer


class Stage(Enum):
    """Where a path's change is on its way to the disk."""

    PENDING = "pending"  # waits for its Prepare
    PENDING_BIG = "pending big"  # the same, in the queue of big files
    PREPARING = "preparing"
    FETCHING = "fetching"  # has a transfer
    FOLLOWING = "following"  # another path fetches the same version; copied when it is in place
    READY = "ready"  # staged, waits for its Commit
    COMMITTING = "committing"
    ABANDONING = "abandoning"  # its staging is being closed
    PARKED = "parked"  # the disk or the hub said no; tried again later
    REFUSED = "refused"  # left alone by policy until a newer change

    # By identity: an enumeration's own hash is a call in Python, and jobs are kept by stage.
    __hash__ = object.__hash__


STAGED = frozenset({Stage.FETCHING, Stage.READY})  # staging is open: overtaking means Abandon
STUCK = frozenset({Stage.PARKED, Stage.REFUSED})
LOOSE = STUCK | {Stage.PENDING, Stage.PENDING_BIG, Stage.FOLLOWING}  # nothing is held for them


@dataclass(slots=True, eq=False)
class Job:
    """The change a path is working on, and the newer one that replaces it as soon as it may."""

    change: Change
    stage: Stage = Stage.PENDING
    newer: Change | None = None
    transfer: Transfer | None = None
    asked: bytes = b""  # a local version that the hub is asked about; no Commit before the answer
    published: bytes = b""  # that version, when the hub says that it was its own
    after: Stage = Stage.PENDING  # where ABANDONING leads
    retry_at: float = 0.0
    tries: int = 0  # of this change that failed

    def take(self, change: Change) -> None:
        """Work on this change from now on."""
        if change != self.change:
            self.tries = 0
        self.change = change

    @property
    def effect_runs(self) -> bool:
        """An effect works on the path right now."""
        if self.stage is Stage.FETCHING:
            return self.transfer is not None and self.transfer.busy
        return self.stage in (Stage.PREPARING, Stage.COMMITTING, Stage.ABANDONING)

    def carries(self, change: Change) -> bool:
        """What is fetched or staged for this job serves ``change`` as well."""
        mine = self.change
        return mine.kind is change.kind is Kind.FILE and mine.version == change.version


class Stages:
    """All jobs by path, and by stage in order of arrival."""

    def __init__(self) -> None:
        self._jobs: dict[str, Job] = {}
        self._members: dict[Stage, dict[str, Job]] = {stage: {} for stage in Stage}

    def get(self, path: str) -> Job | None:
        """The path's job, if it has one."""
        return self._jobs.get(path)

    def of(self, stage: Stage) -> dict[str, Job]:
        """The jobs in one stage, oldest first."""
        return self._members[stage]

    def move(self, job: Job, stage: Stage) -> None:
        """Put a job (new or not) in a stage; in its own it keeps its place."""
        path = job.change.path
        if job.stage is not stage:
            self._members[job.stage].pop(path, None)
            job.stage = stage
        self._jobs[path] = job
        self._members[stage][path] = job

    def remove(self, job: Job) -> None:
        """The job is done."""
        path = job.change.path
        del self._jobs[path]
        del self._members[job.stage][path]

    def paths(self) -> KeysView[str]:
        """The paths of all jobs."""
        return self._jobs.keys()

    def beyond(self, position: Position | None) -> set[str]:
        """The paths of jobs whose changes are not covered by ``position``."""
        jobs = self._jobs.items()
        return {path for path, job in jobs if position and job.change.seq > position.seq}

    def count(self, *stages: Stage) -> int:
        """How many jobs are in these stages."""
        return sum(len(self._members[stage]) for stage in stages)

    def __len__(self) -> int:
        return len(self._jobs)
