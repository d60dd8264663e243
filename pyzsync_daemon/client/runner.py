"""Runs a session's effects in threads, so that neither hashing nor disks hold up the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from pyzsync_daemon.client.board import BIG
from pyzsync_daemon.client.effects import (
    Abandon,
    Audit,
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
    Put,
    Result,
    State,
)

Work = Callable[[Effect], Result]

HEAVY_THREADS: Final = 2  # one to read a big file, one to write another
LIGHT_THREADS: Final = 2


class Runner:
    """Effects of big files run in threads of their own, so that small ones pass them."""

    def __init__(self, work: Work, done: Callable[[Effect, Result], None]) -> None:
        self._work = work
        self._done = done
        self._heavy = ThreadPoolExecutor(HEAVY_THREADS, "big-files")
        self._light = ThreadPoolExecutor(LIGHT_THREADS, "small-files")
        self._closing = False
        self._running: set[asyncio.Task[None]] = set()
        self.failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def start(self, effect: Effect) -> None:
        """Run an effect; ``done`` is called in the event loop when it has ended."""
        if self._closing:
            return  # what it was for is announced, or found by the audit, at the next start
        task = asyncio.create_task(self._run(effect))
        self._running.add(task)
        task.add_done_callback(self._ended)

    async def close(self) -> None:
        """Wait for what runs (each effect is bounded by a window or a batch), then stop."""
        self._closing = True
        await asyncio.gather(*self._running, return_exceptions=True)
        for executor in (self._heavy, self._light):
            executor.shutdown()

    async def _run(self, effect: Effect) -> None:
        executor = self._heavy if is_heavy(effect) else self._light
        loop = asyncio.get_running_loop()
        try:
            result = await loop.run_in_executor(executor, self._work, effect)
        except OSError as error:
            result = _refusal(effect, error)
        self._done(effect, result)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None and not self.failed.done():
            self.failed.set_exception(error)  # a defect: the daemon ends with it, loudly


def is_heavy(effect: Effect) -> bool:
    """Whether an effect may read or write more than a small file's bytes."""
    match effect:
        case Prepare():
            return any(change.size > BIG for change in effect.changes)
        case Match() | Put() | Finish():
            return effect.change.size > BIG
        case Audit():
            return True
        case _:
            return False


def _refusal(effect: Effect, error: OSError) -> Result:
    """The disk said no to a whole effect: its changes are tried again later."""
    reason = str(error)
    match effect:
        case Prepare():
            failed = (Outcome(change, State.FAILED, error=reason) for change in effect.changes)
            return Prepared(tuple(failed))
        case Match() | Put() | Finish() | Abandon():
            return Planned(effect.change, error=reason)
        case Commit():
            return Committed((), failed=tuple((change, reason) for change in effect.changes))
        case Prune() | Audit() | _:
            raise error
