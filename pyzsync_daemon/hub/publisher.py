"""Keeps the index level with the root: watch, settle, scan, hash, commit, tell.

The asyncio shell around ``Ingest``. The loop only decides what is next; three threads do the work:
one scans the whole tree, one hashes big files, and one does everything else and alone writes to the
index. So while a big file is hashed or the tree is scanned, a small edit is read and committed.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections import deque
from collections.abc import Callable, Collection
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from math import inf
from typing import Any

from protocol.messages import Kind
from pyzsync_daemon.files.root import Root
from pyzsync_daemon.files.trees import TreeStore
from pyzsync_daemon.hub.firstscan import FirstScan
from pyzsync_daemon.hub.index import HubIndex
from pyzsync_daemon.hub.ingest import Ingest, Reading, Stopped
from pyzsync_daemon.hub.observed import Observed
from pyzsync_daemon.hub.publishing import Halted, PublisherSettings, State, Status, Step, Taken
from pyzsync_daemon.hub.records import Batch
from pyzsync_daemon.hub.report import Report
from pyzsync_daemon.hub.scan import Scan
from pyzsync_daemon.hub.settle import Settle
from pyzsync_daemon.hub.watcher import Watcher
from pyzsync_daemon.ignore import Ignore

Job = Callable[[], Taken | Step]


class Publisher:
    """Announces what changes in ``root``: ``on_batch`` is called in the loop after each commit.

    ``ready`` is set when the first scan of the tree is committed, big files included, or when it
    has halted; whether clients may be served then, ``index.complete`` says. ``step`` is called in
    a worker thread with a file's path after each read of it. ``cores`` share the hashing of a file.
    ``hashed`` counts whole files.
    """

    def __init__(
        self,
        root: Root,
        index: HubIndex,
        store: TreeStore,
        settings: PublisherSettings,
        on_batch: Callable[[Batch], None],
        *,
        step: Callable[[str], None] = lambda _: None,
        cores: Executor | None = None,
    ) -> None:
        self.ready = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        ignore = Ignore(settings.ignore)
        self._index = index
        self._settings = settings
        self._on_batch = on_batch
        self._ingest = Ingest(root, ignore, index, store, settings, step, cores)
        self.hashed = self._ingest.hashed
        self._watcher = Watcher(
            root.path, ignore.hides, self._noticed, settings.settle_s, settings.rescan_s
        )
        self._first = FirstScan(settings.first_scan_patience_s)
        self._settle = Settle(settings.settle_s, settings.settle_longest_s)
        self._report = Report()
        self._work = ThreadPoolExecutor(1, "publish")
        self._big = ThreadPoolExecutor(1, "hash")
        self._scans = ThreadPoolExecutor(1, "scan")
        self._wake = asyncio.Event()
        self._jobs: deque[Job] = deque()  # results of the other two lanes, to be committed
        self._suspects: set[str] = set()
        self._hashing: dict[str, Observed] = {}
        self._surveying = False
        self._survey_at = self._loop.time() + settings.arming_s  # or when the watcher says so
        self._survey_began = 0.0
        self._rest_until = 0.0

    @property
    def status(self) -> Status:
        """What the publisher does at this moment."""
        return self._report.status(
            watching=self._watcher.armed, entries=self._index.live, hashing=self._hashing
        )

    def request_rescan(self, path: str | None = None) -> None:
        """Read ``path`` again whatever its fingerprint says, or scan the whole tree."""
        if path is None:
            self._dirty(None)
        else:
            self._suspects.add(path)
            self._dirty({path})

    async def run(self, stop: asyncio.Event) -> None:
        """Publish until ``stop`` is set; runs once. Raises what no retry can mend."""
        stopper = asyncio.create_task(self._wake_at(stop))
        progress = asyncio.create_task(self._tell_progress())
        self._watcher.start()
        try:
            while not stop.is_set():
                job = self._next_job()
                if job is None:
                    await self._sleep()
                else:
                    await self._do(job)
        finally:
            self._ingest.stopping.set()
            stopper.cancel()
            progress.cancel()
            await asyncio.to_thread(self._close)

    # --- what is next ----------------------------------------------------------------------------

    def _next_job(self) -> Job | None:
        now = self._loop.time()
        if now >= self._survey_at and not self._surveying:
            self._start_survey(now)
        if self._jobs:
            return self._jobs.popleft()
        if self._report.state is State.HALTED:
            return None
        paths, since = self._settle.ready(now)
        if paths:
            suspects = self._suspects & paths
            self._suspects -= paths
            return partial(self._ingest.examine, paths, suspects, since)
        return self._ingest.work if self._ingest.busy else None

    async def _do(self, job: Job) -> None:
        began = self._loop.time()
        try:
            done = await self._loop.run_in_executor(self._work, job)
            if isinstance(done, Taken):
                self._taken(done)
            else:
                self._stepped(done, began)
            if self._first.committed and not self._ingest.busy:
                await self._level()
        except (Halted, OSError, sqlite3.Error) as error:
            self._halt(str(error))

    async def _level(self) -> None:
        """All that the last scan found is committed, but for what cannot be read."""
        now = self._loop.time()
        if not self._index.complete:
            if not self._first.over(now):
                again = min(self._survey_at, now + self._settings.first_scan_again_s)
                self._survey_at = max(self._rest_until, again)
                return
            self._report.first_scan_over(len(self._first.unread))
            await self._loop.run_in_executor(self._work, self._index.set_complete)
        self._report.live(self._index.live, now - self._survey_began)
        self.ready.set()

    async def _sleep(self) -> None:
        """Until there may be something to do."""
        halted, due = self._report.state is State.HALTED, self._settle.next_due()
        settled_at = inf if halted or due is None else due
        until = min(settled_at, inf if self._surveying else self._survey_at)
        with suppress(TimeoutError):
            async with asyncio.timeout_at(until if until < inf else None):
                await self._wake.wait()
        self._wake.clear()

    async def _wake_at(self, stop: asyncio.Event) -> None:
        await stop.wait()
        self._wake.set()

    async def _tell_progress(self) -> None:
        self._report.reading(self._index.live, ())
        while self._report.state is State.STARTING:
            await asyncio.sleep(self._settings.progress_s)
            self._report.reading(self._index.live, self._hashing)

    def _close(self) -> None:
        """Wait for the threads: each ends within a window of a file, or a chunk."""
        self._watcher.stop()
        for lane in (self._work, self._big, self._scans):
            lane.shutdown(cancel_futures=True)

    # --- what was noticed ------------------------------------------------------------------------

    def _noticed(self, paths: set[str] | None, gone: set[str]) -> None:
        """Called in the watcher's thread."""
        self._loop.call_soon_threadsafe(self._dirty, paths, gone)

    def _dirty(self, paths: set[str] | None, gone: Collection[str] = ()) -> None:
        if paths is None:
            self._survey_at = min(self._survey_at, self._loop.time())
        else:
            self._settle.add(paths, self._loop.time(), gone)
        self._wake.set()

    # --- scans of the whole tree -----------------------------------------------------------------

    def _start_survey(self, now: float) -> None:
        self._surveying, self._survey_began, self._survey_at = True, now, inf
        survey = self._loop.run_in_executor(self._scans, self._ingest.survey)
        survey.add_done_callback(self._surveyed)

    def _surveyed(self, survey: asyncio.Future[tuple[Scan, bool]]) -> None:
        if _unwanted(survey):
            return
        self._surveying = False
        # Whoever asks for scans all the time gets them for a third of the time.
        now = self._loop.time()
        self._rest_until = now + 2 * (now - self._survey_began)
        wanted = min(self._survey_at, now + self._settings.rescan_s)
        self._survey_at = max(self._rest_until, wanted)
        self._jobs.append(partial(self._accept, survey, self._survey_began))
        self._wake.set()

    def _accept(self, survey: asyncio.Future[tuple[Scan, bool]], since: float) -> Taken:
        """In the working thread: raises what the survey raised."""
        found, reopened = survey.result()
        if reopened:
            self._watcher.rearm()
        return self._ingest.accept(found, since)

    def _halt(self, reason: str) -> None:
        self._report.halted(reason)
        self._ingest.abandon()
        self._settle.clear()
        self._jobs.clear()
        self._first = FirstScan(self._settings.first_scan_patience_s)
        retry_at = self._loop.time() + self._settings.halted_retry_s
        self._survey_at = max(self._rest_until, retry_at)
        self.ready.set()

    # --- what was found --------------------------------------------------------------------------

    def _taken(self, taken: Taken) -> None:
        now = self._loop.time()
        if taken.whole:
            self._report.only(taken.paths | {path for path, _ in taken.problems})
            if not self._first.begun:
                self._report.resuming()
            self._first.scanned(taken.unread, [observed.path for observed in taken.big])
        for path, reason in taken.problems:
            self._report.problem(path, reason)
        for observed in taken.big:
            self._hash(observed, now)

    def _stepped(self, step: Step, began: float) -> None:
        now, changes = self._loop.time(), step.batch.changes
        if changes:
            self._on_batch(step.batch)
            self._report.announced(step.batch, now - step.since)
        cost = step.seconds or (now - began) / max(1, len(changes) + len(step.unsettled))
        for change in changes:
            if change.kind is Kind.FILE:
                self._settle.published(change.path, now, cost)
        for path in step.unsettled:
            if self._settle.unsettled(path, now, cost):
                self._report.problem(path, "is written to whenever it is read")
        for path, reason in step.problems:
            self._report.problem(path, reason)
        self._settle.later(step.again, now, self._settings.second_look_s)
        failed = [*step.unsettled, *(path for path, _ in step.problems)]
        self._first.read([step.big, *(change.path for change in changes)], failed)

    def _hash(self, observed: Observed, now: float) -> None:
        """Read a big file on its lane, unless it is there already."""
        path, origin = observed.path, observed.moved_from
        flying = self._hashing.get(path)
        if flying is None:
            self._hashing[path] = observed
            reading = self._loop.run_in_executor(self._big, self._ingest.read_big, observed)
            reading.add_done_callback(partial(self._hashed, path, now))
        elif flying.fingerprint != observed.fingerprint:
            # That reading is about to fail.
            paths = [path, origin] if origin else [path]
            self._settle.later(paths, now, self._settings.second_look_s)
        elif origin:
            self._hashing[path] = observed

    def _hashed(self, path: str, since: float, done: asyncio.Future[tuple[Reading, float]]) -> None:
        observed = self._hashing.pop(path)
        # What was read while halted is found again by the scan that ends the halt.
        if not _unwanted(done) and self._report.state is not State.HALTED:
            self._jobs.append(partial(self._finish, observed, since, done))
            self._wake.set()

    def _finish(
        self, observed: Observed, since: float, done: asyncio.Future[tuple[Reading, float]]
    ) -> Step:
        """In the working thread: raises what the reading raised."""
        reading, seconds = done.result()
        return self._ingest.finish(observed, reading, since, seconds)


def _unwanted(done: asyncio.Future[Any]) -> bool:
    """Whether the daemon stops. Else the result, or what was raised, is for the next job."""
    return done.cancelled() or isinstance(done.exception(), Stopped)
