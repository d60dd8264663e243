"""The bare comparison: the same number of bytes to the same number of connections."""

from __future__ import annotations

import asyncio
import sys
import time
from asyncio.subprocess import PIPE, Process
from dataclasses import dataclass
from pathlib import Path

from pyzsync_daemon.errors import DaemonError
from pyzsync_daemon.loadtest import process
from pyzsync_daemon.loadtest.stats import Times
from pyzsync_daemon.loadtest.workers import Workers, shares

_READY_S = 30.0
_STOP_S = 10.0


class BareFailed(DaemonError):
    """The bare server ended, or connections did not get their bytes."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return f"the bare server's comparison failed: {self.reason}"


@dataclass(frozen=True, slots=True)
class BareRound:
    """What it cost the bare server, and when connections had all bytes."""

    cpu_s: float
    times: Times


class Bare:
    """A server process, and connections in the workers."""

    def __init__(self, workers: Workers) -> None:
        self._workers = workers
        self._process: Process | None = None

    async def start(
        self, clients: int, tls: tuple[Path, Path] | None, ca: Path | None, seconds: float
    ) -> None:
        """Start the server and connect ``clients`` connections."""
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "pyzsync_daemon.loadtest.bareserver", *map(str, tls or ())),
            stdin=PIPE,
            stdout=PIPE,
            start_new_session=True,
        )
        url = await self._line(_READY_S)
        order = {"url": url, "ca": str(ca) if ca else "", "seconds": seconds}
        counts = shares(clients, len(self._workers.pids))
        await self._workers.each("bare", [{**order, "count": count} for count in counts])

    async def round(self, size: int, seconds: float) -> BareRound:
        """Send ``size`` bytes to each connection; returns when all have them."""
        assert self._process is not None and self._process.stdin is not None
        await self._workers.all("bare_arm", size=size)
        cpu, began = process.cpu_seconds(self._process.pid), time.monotonic()
        self._process.stdin.write(f"{size}\n".encode())
        await self._process.stdin.drain()
        seen = await self._workers.all("bare_seen", seconds=seconds)
        done = [at for each in seen for at in each]
        if None in done:
            raise BareFailed(f"{done.count(None)} connections lack bytes after {seconds:g} s")
        await self._line(_READY_S)
        spent = process.cpu_seconds(self._process.pid) - cpu
        return BareRound(spent, Times.of(at - began for at in done))

    async def stop(self) -> None:
        """End the server."""
        if self._process is None or self._process.stdin is None:
            return
        self._process.stdin.close()
        try:
            async with asyncio.timeout(_STOP_S):
                await self._process.wait()
        except TimeoutError:
            self._process.kill()
            await self._process.wait()
        self._process = None

    async def _line(self, seconds: float) -> str:
        assert self._process is not None and self._process.stdout is not None
        async with asyncio.timeout(seconds):
            line = (await self._process.stdout.readline()).decode().strip()
        if not line:
            raise BareFailed("its process ended")
        return line
