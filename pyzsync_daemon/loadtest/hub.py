"""The hub under test: a real process, its costs, and its counters."""

from __future__ import annotations

import asyncio
import json
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from pyzsync_daemon.demo.processes import Daemon
from pyzsync_daemon.hub.counters import Counters
from pyzsync_daemon.loadtest import process
from pyzsync_daemon.loadtest.counters import parse

T = TypeVar("T")

READY_S = 60.0
STOP_S = 20.0
TELL_S = 10.0  # until a hub under load has written one line
_POLL_S = 0.01


class HubProcess:
    """``pyzsync hub`` on ``root``, with its files in ``home``."""

    def __init__(
        self, root: Path, home: Path, max_clients: int, tls: tuple[Path, Path] | None
    ) -> None:
        self.url = ""
        self._root = root
        self._home = home
        self._max_clients = max_clients
        self._tls = tls
        self._port = 0
        self._starts = 0
        self._daemon: Daemon | None = None

    async def start(self) -> None:
        """Start it (again: on the port it had); returns when it listens. ``DaemonEnded``."""
        self._starts += 1
        config = self._home / "hub.toml"
        config.write_text(self._config())
        self._log = self._home / f"hub-{self._starts}.log"
        self._daemon = await Daemon.start("the hub", ["hub", "--config", str(config)], self._log)
        self.url = await self._daemon.listening(READY_S)
        self._port = int(self.url.rpartition(":")[2])

    async def stop(self) -> None:
        """Let it drain and end."""
        if self._daemon is not None:
            await self._daemon.stop(STOP_S)
            self._daemon = None

    @property
    def pid(self) -> int:
        """The process; ``DaemonEnded`` if it is gone."""
        if self._daemon is None:
            raise RuntimeError("the hub was not started")
        self._daemon.check()
        return self._daemon.pid

    @property
    def cpu_seconds(self) -> float:
        """Processor time so far."""
        return process.cpu_seconds(self.pid)

    async def counters(self) -> Counters:
        """What it tells of itself. TimeoutError if it does not."""
        mark = self.mark()
        assert self._daemon is not None and self.pid
        self._daemon.signal(signal.SIGUSR1)
        return await self._logged(mark, parse)

    def mark(self) -> int:
        """Where its log ends now."""
        return self._log.stat().st_size

    async def announced(self, path: str, mark: int) -> None:
        """Wait until it has announced a path, later than ``mark``. TimeoutError."""

        def is_it(line: str) -> bool | None:
            told = json.loads(line) if line.startswith("{") else {}
            return (told.get("event"), told.get("path")) == ("announced", path) or None

        await self._logged(mark, is_it)

    async def _logged(self, mark: int, find: Callable[[str], T | None]) -> T:
        """The first thing found in a line after ``mark``."""
        deadline = time.monotonic() + TELL_S
        while time.monotonic() < deadline:
            with self._log.open("rb") as log:
                log.seek(mark)
                for line in log:
                    if line.endswith(b"\n") and (found := find(line.decode())) is not None:
                        return found
            await asyncio.sleep(_POLL_S)
        raise TimeoutError(f"the hub's log does not tell within {TELL_S:g} s")

    def _config(self) -> str:
        values: dict[str, object] = {
            "root": str(self._root),
            "state": str(self._home / "hub-state"),
            "listen": f"127.0.0.1:{self._port}",
            "max_clients": self._max_clients,
        }
        if self._tls is not None:
            values["tls_cert"], values["tls_key"] = map(str, self._tls)
        lines = [f"{key} = {json.dumps(value)}" for key, value in values.items()]
        return "\n".join(["[hub]", *lines, "[log]", 'format = "json"', ""])
