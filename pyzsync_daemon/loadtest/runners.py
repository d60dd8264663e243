"""What runs the effects of a simulated client: no threads of its own, unlike the daemon's."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future

from pyzsync_daemon.client.effects import Effect, Result
from pyzsync_daemon.client.interfaces import Done, Work


class Turns:
    """Lets one client work in each turn of the event loop, so that sockets are read in between.

    On machines of their own, a thousand clients would take what the hub sends at once, and work
    on it then. Here they share a thread: whose bytes are there takes them before another works.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[Callable[[], object]] = deque()

    def wait(self, work: Callable[[], object]) -> None:
        """Call ``work`` when it is its turn."""
        self._waiting.append(work)
        if len(self._waiting) == 1:
            self._loop.call_soon(self._next)

    async def take(self) -> None:
        """Return when it is the caller's turn."""
        turn = self._loop.create_future()

        def hand_over() -> None:
            if not turn.done():  # whoever waited may have been cancelled
                turn.set_result(None)

        self.wait(hand_over)
        await turn

    def _next(self) -> None:
        self._waiting[0]()
        self._waiting.popleft()
        if self._waiting:
            self._loop.call_soon(self._next)


def inline(turns: Turns) -> Callable[[Work, Done], Inline]:
    """Makes runners that take turns."""
    return lambda work, done: Inline(turns, work, done)


class Inline:
    """In the event loop, one after the other: for replicas in memory."""

    def __init__(self, turns: Turns, work: Work, done: Done) -> None:
        self.failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._turns = turns
        self._work = work
        self._done = done
        self._queue: deque[Effect] = deque()
        self._scheduled = False

    def start(self, effects: Sequence[Effect]) -> None:
        """Run them soon; ``done`` often starts the next one, which then follows at once."""
        self._queue.extend(effects)
        if self._queue and not self._scheduled:
            self._scheduled = True
            self._turns.wait(self._run)

    async def close(self) -> None:
        """Drop what waits."""
        self._queue.clear()

    def _run(self) -> None:
        try:
            while self._queue:
                effect = self._queue.popleft()
                self._done([(effect, self._work(effect))])
        except Exception as error:  # a defect: the client ends with it, loudly
            if not self.failed.done():
                self.failed.set_exception(error)
        finally:
            self._scheduled = False


def pooled(executor: Executor) -> Callable[[Work, Done], Pooled]:
    """Makes runners that share threads."""
    return lambda work, done: Pooled(executor, work, done)


class Pooled:
    """In shared threads, one effect of a client at a time: for replicas on disk."""

    def __init__(self, executor: Executor, work: Work, done: Done) -> None:
        self._loop = asyncio.get_running_loop()
        self.failed: asyncio.Future[None] = self._loop.create_future()
        self._executor = executor
        self._work = work
        self._done = done
        self._queue: deque[Effect] = deque()
        self._running: Future[Result] | None = None

    def start(self, effects: Sequence[Effect]) -> None:
        """Run them after those that were started before."""
        self._queue.extend(effects)
        self._next()

    async def close(self) -> None:
        """Wait for what runs; drop what waits."""
        self._queue.clear()
        if self._running is not None:
            await asyncio.wait([asyncio.wrap_future(self._running)])

    def _next(self) -> None:
        if self._running is None and self._queue:
            effect = self._queue.popleft()
            self._running = self._executor.submit(self._work, effect)
            self._running.add_done_callback(
                lambda future: self._loop.call_soon_threadsafe(self._ended, effect, future)
            )

    def _ended(self, effect: Effect, future: Future[Result]) -> None:
        self._running = None
        error = future.exception()
        if error is not None:
            if not self.failed.done():
                self.failed.set_exception(error)
            return
        self._done([(effect, future.result())])
        self._next()
