"""Daemons as real processes, which never outlive the demo."""

from __future__ import annotations

import asyncio
import os
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from pyzsync_daemon.errors import DaemonError

__all__ = ["Daemon", "DaemonEnded"]

_READY: Final = "listening on "
_TAIL: Final = 12  # lines of a log that are shown when its process ended too soon


class DaemonEnded(DaemonError):
    """``name`` ended with ``code``, which nobody asked for; ``log`` has its last lines."""

    def __init__(self, name: str, code: int | None, log: tuple[str, ...]) -> None:
        super().__init__(name, code, log)
        self.name = name
        self.code = code
        self.log = log

    def __str__(self) -> str:
        return "\n".join([f"{self.name} ended with exit code {self.code}; its log:", *self.log])


class Daemon:
    """One ``pyzsync`` process; its log goes to ``log``, its standard output is read for a hub."""

    def __init__(self, name: str, process: Process, log: Path) -> None:
        self.name = name
        self._log = log
        self._process = process

    @classmethod
    async def start(cls, name: str, arguments: Sequence[str], log: Path) -> Daemon:
        """Start it in a session of its own: Ctrl-C is for the demo, which then stops it."""
        clean = {key: value for key, value in os.environ.items() if "PYZSYNC_" not in key}
        if "PYZSYNC_KERNEL" in os.environ:
            clean["PYZSYNC_KERNEL"] = os.environ["PYZSYNC_KERNEL"]
        with log.open("wb") as stderr:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "pyzsync_daemon", *arguments),
                stdin=DEVNULL,
                stdout=PIPE if arguments[0] == "hub" else DEVNULL,
                stderr=stderr,
                env=clean,
                start_new_session=True,
            )
        return cls(name, process, log)

    @property
    def pid(self) -> int:
        """The process, for who measures it."""
        return self._process.pid

    def signal(self, number: int) -> None:
        """Send it a signal."""
        self._process.send_signal(number)

    async def listening(self, seconds: float) -> str:
        """The URL that a hub prints once it serves; DaemonEnded when it does not come."""
        if self._process.stdout is None:
            raise RuntimeError("only a hub prints where it listens")
        try:
            async with asyncio.timeout(seconds):
                line = (await self._process.stdout.readline()).decode().strip()
                if not line:
                    await self._process.wait()  # it ends: let its exit code be told
        except TimeoutError:
            line = ""
        if not line.startswith(_READY):
            raise self.ended(self._process.returncode)
        return line.removeprefix(_READY)

    def ended(self, code: int | None) -> DaemonEnded:
        """What to raise when it ended with ``code``; reads the log, which may not stay."""
        return DaemonEnded(self.name, code, self.tail())

    def tail(self) -> tuple[str, ...]:
        """The last lines of its log."""
        return tuple(self._log.read_text(errors="replace").splitlines()[-_TAIL:])

    def check(self) -> None:
        """DaemonEnded if the process is gone."""
        if self._process.returncode is not None:
            raise self.ended(self._process.returncode)

    async def wait(self, seconds: float) -> int:
        """Wait until it ends by itself; returns its exit code. TimeoutError if it does not."""
        async with asyncio.timeout(seconds):
            return await self._process.wait()

    async def stop(self, seconds: float) -> int:
        """Ask it to end, and make it end after ``seconds``; returns its exit code."""
        if self._process.returncode is None:
            self._process.terminate()
        try:
            async with asyncio.timeout(seconds):
                return await self._process.wait()
        except TimeoutError:
            self._process.kill()
            return await self._process.wait()
