"""The comparison with rsync: pulls from a daemon for the same change, a few measured, many told."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import time
from asyncio.subprocess import DEVNULL, PIPE, Process
from pathlib import Path

from pyzsync_daemon.errors import DaemonError
from pyzsync_daemon.loadtest import process
from pyzsync_daemon.loadtest.rounds import Peer
from pyzsync_daemon.loadtest.stats import Times

_READY_S = 10.0
_PULL_S = 60.0


class RsyncFailed(DaemonError):
    """rsync could not be measured."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return f"the comparison with rsync failed: {self.reason}"


def installed() -> bool:
    """Whether there is an rsync here."""
    return shutil.which("rsync") is not None


class Rsync:
    """An rsync daemon on ``root``. ``home`` holds a copy of the tree as it was, and replicas."""

    def __init__(self, root: Path, home: Path) -> None:
        self._root = root
        self._home = home
        self._before = home / "before"
        self._process: Process | None = None
        self._port = 0

    async def start(self) -> None:
        """Start the daemon, and copy the tree."""
        self._home.mkdir()
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._port = free.getsockname()[1]
        config = self._home / "rsyncd.conf"
        config.write_text(_config(self._root, self._port))
        self._process = await asyncio.create_subprocess_exec(
            *("rsync", "--daemon", "--no-detach", f"--config={config}"),
            stdin=DEVNULL,
            stdout=DEVNULL,
            stderr=DEVNULL,
            start_new_session=True,
        )
        await self._listening()
        await asyncio.to_thread(shutil.copytree, self._root, self._before)

    async def measure(self, pulls: int, clients: int) -> Peer:
        """Pull the change ``pulls`` times, as many at once as there are processors."""
        assert self._process is not None
        replicas = [self._home / f"replica-{number}" for number in range(pulls)]
        for replica in replicas:
            await asyncio.to_thread(shutil.copytree, self._before, replica)
        lanes = asyncio.Semaphore(os.cpu_count() or 1)
        cpu = process.children_cpu_seconds(self._process.pid)
        began = time.monotonic()
        await asyncio.gather(*(self._pull(replica, lanes) for replica in replicas))
        wall = time.monotonic() - began
        spent = process.children_cpu_seconds(self._process.pid) - cpu
        await asyncio.to_thread(shutil.rmtree, self._before)
        replicas[0].rename(self._before)
        for replica in replicas[1:]:
            await asyncio.to_thread(shutil.rmtree, replica)
        scale = clients / pulls
        last = wall * scale
        times = Times(wall / pulls, last / 2, last * 0.99, last)
        return Peer("rsync", times, spent * scale, f"{pulls} pulls, scaled to {clients}")

    async def stop(self) -> None:
        """End the daemon."""
        if self._process is not None and self._process.returncode is None:
            self._process.terminate()
            await self._process.wait()

    async def _pull(self, replica: Path, lanes: asyncio.Semaphore) -> None:
        async with lanes:
            # Times in nanoseconds: an edit within the second of the one before is an edit.
            pull = await asyncio.create_subprocess_exec(
                *("rsync", "-a", "--delete", "--modify-window=-1"),
                *(f"rsync://127.0.0.1:{self._port}/tree/", f"{replica}/"),
                stdin=DEVNULL,
                stdout=DEVNULL,
                stderr=PIPE,
            )
            try:
                async with asyncio.timeout(_PULL_S):
                    _, errors = await pull.communicate()
            finally:
                if pull.returncode is None:
                    pull.kill()
                    await pull.wait()
            if pull.returncode:
                raise RsyncFailed(errors.decode(errors="replace").strip())

    async def _listening(self) -> None:
        deadline = time.monotonic() + _READY_S
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", self._port)
            except OSError as error:
                if time.monotonic() > deadline:
                    raise RsyncFailed("its daemon does not listen") from error
                await asyncio.sleep(0.02)
                continue
            writer.close()
            await writer.wait_closed()
            return


def _config(root: Path, port: int) -> str:
    """A daemon of root's would become nobody, who cannot read our files."""
    owner = [f"uid = {os.getuid()}", f"gid = {os.getgid()}"] if os.getuid() == 0 else []
    lines = [
        f"port = {port}",
        "address = 127.0.0.1",
        "use chroot = false",
        *owner,
        "[tree]",
        f"path = {root}",
        "read only = true",
        "",
    ]
    return "\n".join(lines)
