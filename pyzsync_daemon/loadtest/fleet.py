"""The simulated clients of one worker process."""

from __future__ import annotations

import asyncio
import random
import shutil
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pyzsync_daemon.config import ClientSettings
from pyzsync_daemon.demo.trees import walk
from pyzsync_daemon.loadtest.comparison import Comparison
from pyzsync_daemon.loadtest.memory import Held, holding
from pyzsync_daemon.loadtest.runners import Turns, inline, pooled
from pyzsync_daemon.loadtest.shared import Shared
from pyzsync_daemon.loadtest.simulated import Client, DiskReplica, MemoryReplica, Replica, RunnerOf
from pyzsync_daemon.loadtest.watch import Expected

DISK_THREADS = 8  # they mostly wait for the disk to sync
OPENING = 64  # clients of a worker that connect at the same time at first; herds have no such bound


@dataclass(frozen=True, slots=True)
class Setup:
    """Whom to simulate: ``count`` clients of the hub at ``url``; ``ca`` is its CA, if it has TLS.

    ``base``: replicas are in memory and begin with the files here. Else they are on disk in
    ``home``, and begin empty.
    """

    url: str
    count: int
    home: Path
    base: Path | None = None
    ca: Path | None = None


@dataclass(frozen=True, slots=True)
class Seen:
    """What one round was for each client: when it was done (None: it is behind), when the last of
    its bytes had come, and how many came."""

    done: list[float | None]
    heard: list[float | None]
    received: list[int]


class Fleet:
    """Starts them, waits for them, disturbs them, compares their trees."""

    def __init__(self, setup: Setup) -> None:
        self.shared = Shared()
        self.clients: list[Client] = []
        self._setup = setup
        self._gate = asyncio.Event()
        self._gate.set()
        self._threads = ThreadPoolExecutor(DISK_THREADS, "disk")
        self._base: dict[str, Held] = {}
        self._turns = Turns()
        self._runner: RunnerOf = pooled(self._threads)
        self._churning: asyncio.Task[None] | None = None
        self._before: list[int] = []
        if setup.base is not None:
            self._runner = inline(self._turns)
            paths = [path for path in walk(setup.base) if (setup.base / path).is_file()]
            self._base = holding({path: self.shared.load(setup.base / path) for path in paths})

    async def start(self, seconds: float, empty: bool = False) -> None:
        """Start all clients; returns when all are level. TimeoutError if that takes longer.

        Raises what a client failed with.
        """
        opening = asyncio.Semaphore(OPENING)

        async def begin(number: int) -> None:
            async with opening:
                self.clients.append(self._client(number, empty))
                await self.clients[-1].watch.level.wait()

        async with asyncio.timeout(seconds):
            await self._guarded(asyncio.gather(*map(begin, range(self._setup.count))))

    async def anew(self) -> None:
        """Replace all clients by empty ones that wait for ``release``."""
        await self.stop()
        self._gate.clear()
        if self._setup.base is None:
            await asyncio.to_thread(shutil.rmtree, self._setup.home, ignore_errors=True)
        self.clients = [self._client(number, True) for number in range(self._setup.count)]

    def hold(self) -> None:
        """Cut all connections; nobody connects before ``release``."""
        self._gate.clear()
        for client in self.clients:
            client.cut()

    def release(self) -> None:
        """Let all connect at once."""
        self._gate.set()

    def arm(self, expected: Expected | None) -> None:
        """Wait for these versions from now on; None: for a new connection that is level."""
        self._before = [client.received for client in self.clients]
        for client in self.clients:
            if expected is None:
                client.watch.arm_for_link()
            else:
                client.watch.arm(expected)

    async def seen(self, seconds: float) -> Seen:
        """Wait until all clients (but for those that do not read) have what is expected."""
        waiting = [client.watch.wait() for client in self.clients if not client.paused]
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._guarded(asyncio.gather(*waiting))
        return Seen(
            [client.watch.done_at for client in self.clients if not client.paused],
            [client.watch.heard_at for client in self.clients if not client.paused],
            [
                client.received - before
                for client, before in zip(self.clients, self._before, strict=True)
                if not client.paused
            ],
        )

    async def level(self, seconds: float) -> int:
        """Wait until everybody who reads is level; returns how many are not."""
        reading = [client for client in self.clients if not client.paused]
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                waits = [client.watch.level.wait() for client in reading]
                await self._guarded(asyncio.gather(*waits))
        return sum(not client.watch.level.is_set() for client in reading)

    def pause(self, count: int) -> None:
        """Let the first ``count`` clients stop reading, and the others read."""
        for number, client in enumerate(self.clients):
            if client.paused is not (number < count):
                client.pause(number < count)

    def churn(self, rate: float) -> None:
        """Cut ``rate`` connections a second, of clients drawn by lot; 0 ends it."""
        if self._churning is not None:
            self._churning.cancel()
            self._churning = None
        if rate > 0:
            self._churning = asyncio.create_task(self._churn(rate))

    def differences(self, root: Path) -> list[tuple[int, str]]:
        """Compare every client's tree with the one at ``root``: (client, what differs)."""
        with Comparison(root) as comparison:
            found = [each.replica.differs(root, comparison) for each in self.clients]
        return [(number, what) for number, what in enumerate(found) if what]

    async def stop(self) -> None:
        """End all clients; raises what one failed with."""
        self.churn(0)
        self._gate.set()
        ends = [client.stop() for client in self.clients]
        self.clients = []
        for result in await asyncio.gather(*ends, return_exceptions=True):
            if isinstance(result, BaseException):
                raise result

    def close(self) -> None:
        """Let go of the threads."""
        self._threads.shutdown()

    # --- inside -----------------------------------------------------------------------------------

    def _client(self, number: int, empty: bool) -> Client:
        setup = self._setup
        home = setup.home / f"{number:05}"
        settings = ClientSettings(root=home, hub=setup.url, tls_ca=setup.ca)
        replica: Replica
        if setup.base is None:
            replica = DiskReplica(home)
        else:
            replica = MemoryReplica(self.shared, {} if empty else self._base)
        decode = self.shared.decode
        return Client(settings, replica, self._runner, self._turns, self._gate, decode)

    async def _guarded(self, work: asyncio.Future[Any]) -> None:
        """Wait for ``work``, or for the first client that fails."""
        tasks = [client.task for client in self.clients]
        try:
            await asyncio.wait([work, *tasks], return_when=asyncio.FIRST_COMPLETED)
            for task in tasks:
                if task.done():
                    task.result()
            await work
        finally:
            work.cancel()

    async def _churn(self, rate: float) -> None:
        while True:
            await asyncio.sleep(1 / rate)
            random.choice(self.clients).cut()  # noqa: S311 - a lot, no secret
