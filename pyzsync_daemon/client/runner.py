"""Runs a session's effects in threads, so that neither hashing nor disks hold up the event loop."""

from __future__ import annotations

import asyncio
import queue
import sqlite3
import threading
from collections.abc import Callable, Sequence
from enum import Enum
from typing import Final

from pyzsync_daemon.client.board import BIG
from pyzsync_daemon.client.effects import (
    Abandon,
    Apply,
    Audit,
    Audited,
    Commit,
    Committed,
    Effect,
    Finish,
    Match,
    Outcome,
    Planned,
    Prepare,
    Prepared,
    Prune,
    Pruned,
    Put,
    Result,
    Reuse,
    Save,
    Saved,
    State,
)
from pyzsync_daemon.client.interfaces import Done, Work

# A full, failing or busy disk, as the system tells it and as SQLite does. A damaged database is no
# OperationalError: it ends the daemon.
DISK_ERRORS: Final = (OSError, sqlite3.OperationalError)


class Runner:
    """Three lanes of threads: big files, small files, and what waits for the disk to sync.

    So small files pass big ones, and are prepared while others are committed. Results come back in
    bulk: ten thousand small files do not wake the event loop thirty thousand times.
    """

    def __init__(self, work: Work, done: Done) -> None:
        self.failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._work = work
        self._done = done
        self._loop = asyncio.get_running_loop()
        self._closing = threading.Event()
        self._lock = threading.Lock()
        self._results: list[tuple[Effect, Result]] = []
        self._lanes = {
            # One reads a big file while another writes one.
            Lane.BIG: _Threads("big-files", 2, self._run),
            # A second thread would only wait for the interpreter lock of the first.
            Lane.SMALL: _Threads("small-files", 1, self._run),
            Lane.DISK: _Threads("disk", 1, self._run),
        }

    def start(self, effects: Sequence[Effect]) -> None:
        """Run effects; ``done`` is called in the event loop when they have ended.

        Those for small files cross the threads together, both ways: to wake a thread takes longer
        than to write such a file.
        """
        small: list[Effect] = []
        for effect in effects:
            lane = lane_of(effect)
            if lane is Lane.SMALL:
                small.append(effect)
            else:
                self._lanes[lane].put([effect])
        if small:
            self._lanes[Lane.SMALL].put(small)

    async def close(self) -> None:
        """Wait for what runs (each effect is bounded by a window or a batch); drop what waits.

        What is dropped is announced again, or found by the audit, at the next start.
        """
        self._closing.set()
        await asyncio.gather(*(asyncio.to_thread(lane.close) for lane in self._lanes.values()))

    def _run(self, effects: list[Effect]) -> None:
        """In a lane's thread: do the work and hand the results over."""
        results: list[tuple[Effect, Result]] = []
        for effect in effects:
            if self._closing.is_set():
                break
            try:
                results.append((effect, self._attempt(effect)))
            except BaseException as error:
                self._loop.call_soon_threadsafe(self._fail, error)
                break
        if not results:
            return
        with self._lock:
            first = not self._results
            self._results += results
        if first:
            self._loop.call_soon_threadsafe(self._deliver)

    def _attempt(self, effect: Effect) -> Result:
        try:
            return self._work(effect)
        except DISK_ERRORS as error:
            return _refusal(effect, error)

    def _deliver(self) -> None:
        with self._lock:
            results, self._results = self._results, []
        self._done(results)

    def _fail(self, error: BaseException) -> None:
        """A defect: the daemon ends with it, loudly."""
        if not self.failed.done():
            self.failed.set_exception(error)


class _Threads:
    """Threads that take effects, some at a time, from one queue, in order."""

    def __init__(self, name: str, count: int, run: Callable[[list[Effect]], None]) -> None:
        self._queue: queue.SimpleQueue[list[Effect] | None] = queue.SimpleQueue()
        self._run = run
        self._threads = [
            threading.Thread(target=self._serve, name=f"{name}-{number}") for number in range(count)
        ]
        for thread in self._threads:
            thread.start()

    def put(self, effects: list[Effect]) -> None:
        self._queue.put(effects)

    def close(self) -> None:
        """End the threads after what is queued."""
        for _ in self._threads:
            self._queue.put(None)
        for thread in self._threads:
            thread.join()

    def _serve(self) -> None:
        while (effects := self._queue.get()) is not None:
            self._run(effects)


class Lane(Enum):
    """Where an effect runs."""

    BIG = "big"
    SMALL = "small"
    DISK = "disk"


def lane_of(effect: Effect) -> Lane:
    """The lane of an effect: by the most bytes that it may read or write."""
    match effect:
        case Prepare():
            big = any(change.size > BIG for change in effect.changes)
        case Match() | Reuse() | Apply() | Put() | Finish():
            big = effect.change.size > BIG
        case Audit():
            big = True
        case Abandon():
            big = False
        case Commit() | Save() | Prune():
            return Lane.DISK
    return Lane.BIG if big else Lane.SMALL


def _refusal(effect: Effect, error: Exception) -> Result:
    """The disk said no to a whole effect: what it was for is tried again later."""
    reason = str(error)
    match effect:
        case Prepare():
            failed = (Outcome(change, State.FAILED, error=reason) for change in effect.changes)
            return Prepared(tuple(failed))
        case Match() | Reuse() | Apply() | Put() | Finish() | Abandon():
            return Planned(effect.change, error=reason)
        case Commit():
            return Committed((), failed=tuple((change, reason) for change in effect.changes))
        case Save():
            return Saved(effect.position, error=reason)
        case Prune():
            return Pruned((), halted=reason)
        case Audit():
            return Audited((), error=reason)
