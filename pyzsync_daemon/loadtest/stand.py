"""The test stand: a published tree, a hub, workers with clients, and the hub's peers."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from pyzsync_daemon.client.ledger import ACK_S
from pyzsync_daemon.loadtest import process
from pyzsync_daemon.loadtest.bare import Bare
from pyzsync_daemon.loadtest.changes import Tree
from pyzsync_daemon.loadtest.daemons import Daemons
from pyzsync_daemon.loadtest.hub import HubProcess
from pyzsync_daemon.loadtest.options import Options
from pyzsync_daemon.loadtest.puller import write_large
from pyzsync_daemon.loadtest.rsync import Rsync, installed
from pyzsync_daemon.loadtest.workers import Workers, shares

_REST_S = 2.0
SPARE_CONNECTIONS = 100  # that the hub allows beside the simulated clients


@dataclass(slots=True)
class Stand:
    """Everything that runs. ``idle_rss`` is the hub's memory before any client, ``full_rss`` with
    all of them connected; ``connect_s`` until they were level."""

    options: Options
    root: Path
    home: Path
    tree: Tree
    hub: HubProcess
    workers: Workers
    ca: Path | None
    bare: Bare | None = None
    rsync: Rsync | None = None
    daemons: Daemons | None = None
    idle_rss: int = 0
    full_rss: int = 0
    connect_s: float = 0.0
    idle_cpu: float = 0.0  # the share of a processor that the hub takes while nothing changes

    @classmethod
    @asynccontextmanager
    async def open(cls, options: Options, home: Path) -> AsyncIterator[Stand]:
        """Start all of it; everything has ended when the context does."""
        root, spare = home / "root", home / "spare"
        root.mkdir()
        spare.mkdir()
        if options.fair:
            await asyncio.to_thread(write_large, root, options.fair)
        tree = Tree(root, spare, options.files, options.file_size)
        async with AsyncExitStack() as stack:
            tls, ca = _certificate(home) if options.tls else (None, None)
            hub = HubProcess(root, home, options.clients + options.daemons + SPARE_CONNECTIONS, tls)
            stack.push_async_callback(hub.stop)
            await hub.start()
            workers = Workers()
            stack.push_async_callback(workers.stop)
            await workers.start(options.processes, home / "worker.log")
            stand = cls(options, root, home, tree, hub, workers, ca)
            await stand._connect()
            await stand._open_peers(stack, tls)
            await stand._rest()
            yield stand

    @property
    def base(self) -> Path | None:
        """Where the files are that replicas in memory begin with; they never change."""
        return self.home / "base" if self.options.memory else None

    async def pause(self, count: int) -> None:
        """Let so many clients stop reading, spread over the workers, and all others read."""
        counts = shares(count, len(self.workers.pids))
        await self.workers.each("pause", [{"count": each} for each in counts])

    async def _open_peers(self, stack: AsyncExitStack, tls: tuple[Path, Path] | None) -> None:
        """Start what the hub is compared with."""
        options = self.options
        if options.bare:
            self.bare = Bare(self.workers)
            stack.push_async_callback(self.bare.stop)
            await self.bare.start(options.clients, tls, self.ca, options.patience)
        if options.pulls and installed():
            self.rsync = Rsync(self.root, self.home / "rsync")
            stack.push_async_callback(self.rsync.stop)
            await self.rsync.start()
        if options.daemons:
            self.daemons = Daemons(self.root, self.home, options.daemons)
            stack.push_async_callback(self.daemons.stop)
            await self.daemons.start(self.hub.url, self.ca, options.patience)

    async def _rest(self) -> None:
        """Measure the hub while nothing happens, when the last acknowledgements are through."""
        await asyncio.sleep(2 * ACK_S)
        before = self.hub.cpu_seconds
        await asyncio.sleep(_REST_S)
        self.idle_cpu = (self.hub.cpu_seconds - before) / _REST_S

    async def _connect(self) -> None:
        options = self.options
        if self.base is not None:
            shutil.copytree(self.root, self.base, ignore=shutil.ignore_patterns(".pyzsync"))
        counts = shares(options.clients, options.processes)
        orders: list[dict[str, object]] = [
            {
                "url": self.hub.url,
                "count": count,
                "home": str(self.home / f"replicas-{number}"),
                "base": str(self.base or ""),
                "ca": str(self.ca or ""),
                "empty": False,
                "seconds": options.patience,
            }
            for number, count in enumerate(counts)
        ]
        self.idle_rss = process.memory_bytes(self.hub.pid)
        began = time.monotonic()
        await self.workers.each("start", orders)
        self.connect_s = time.monotonic() - began
        self.full_rss = process.memory_bytes(self.hub.pid)


def _certificate(home: Path) -> tuple[tuple[Path, Path], Path]:
    from pyzsync_daemon.loadtest.certificate import make_certificate

    return make_certificate(home)
