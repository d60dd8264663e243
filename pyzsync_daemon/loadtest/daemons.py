"""Real client daemons beside the simulated ones, to show that the simulation tells the truth."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path

from pyzsync_daemon.demo.processes import Daemon
from pyzsync_daemon.demo.trees import differ
from pyzsync_daemon.errors import DaemonError
from pyzsync_daemon.loadtest.changes import Edit

_LOOK_S = 0.002  # between two looks at all replicas: times are that coarse
_STOP_S = 20.0


class DaemonsLate(DaemonError):
    """A real daemon's replica did not become what it should be."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return f"a client daemon is late: {self.reason}"


class Daemons:
    """``count`` processes, each with a replica on disk, of the hub's tree at ``root``."""

    def __init__(self, root: Path, home: Path, count: int) -> None:
        self._root = root
        self._home = home
        self._replicas = [home / f"daemon-{number:03}" for number in range(count)]
        self._daemons: list[Daemon] = []

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self._replicas)

    async def start(self, url: str, ca: Path | None, seconds: float) -> None:
        """Start them; returns when all replicas equal the tree. ``DaemonsLate``."""
        tls = ["--tls-ca", str(ca)] if ca is not None else []
        for replica in self._replicas:
            replica.mkdir()
            arguments = ["client", str(replica), "--hub", url, *tls]
            log = self._home / f"{replica.name}.log"
            self._daemons.append(await Daemon.start(replica.name, arguments, log))
        await self.verify(seconds)

    async def seen(self, edits: Sequence[Edit], seconds: float) -> list[float]:
        """When each had the edits in place (``time.monotonic``); sizes and times tell."""
        return await asyncio.to_thread(self._look, edits, time.monotonic() + seconds)

    async def verify(self, seconds: float) -> None:
        """Wait until every replica equals the tree, byte by byte. ``DaemonsLate``."""
        deadline = time.monotonic() + seconds
        for replica, daemon in zip(self._replicas, self._daemons, strict=True):
            while (found := await asyncio.to_thread(differ, self._root, replica)) is not None:
                daemon.check()
                if time.monotonic() > deadline:
                    raise DaemonsLate(str(found))
                await asyncio.sleep(0.05)

    async def stop(self) -> None:
        """End them."""
        await asyncio.gather(*(daemon.stop(_STOP_S) for daemon in self._daemons))

    def _look(self, edits: Sequence[Edit], deadline: float) -> list[float]:
        wanted = {edit.path: _stamp(self._root / edit.path) for edit in edits}
        waiting = dict.fromkeys(self._replicas)
        done: list[float] = []
        while waiting and time.monotonic() < deadline:
            for replica in list(waiting):
                if all(_stamp(replica / path) == stamp for path, stamp in wanted.items()):
                    done.append(time.monotonic())
                    del waiting[replica]
            time.sleep(_LOOK_S)
        return done


def _stamp(path: Path) -> tuple[int, int] | None:
    """A file's size and mtime: the replacement brings both at once."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_size, status.st_mtime_ns
