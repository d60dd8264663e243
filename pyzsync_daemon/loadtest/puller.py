"""One client that pulls a very large file while the others want little: is it fair?"""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path
from typing import Final

from pyzsync_daemon.loadtest.hub import HubProcess
from pyzsync_daemon.loadtest.workers import WorkerFailed, Workers

LARGE: Final = "large.bin"
_BLOCK: Final = 2**20
_UNDER_WAY: Final = 8 * 2**20  # bytes that the hub has sent when the pull is in full swing
_WAIT_S: Final = 30.0


def write_large(root: Path, size: int) -> None:
    """A file that does not compress, and no two windows of which are equal."""
    block = bytearray(os.urandom(_BLOCK))
    with (root / LARGE).open("wb") as file:
        for number in range(0, size, _BLOCK):
            block[:8] = number.to_bytes(8, "little")
            file.write(block[: size - number])


class Puller:
    """A worker process of its own, with one client that begins empty. Use it once."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._worker = Workers()
        self._pull: asyncio.Task[object] | None = None

    async def start(self, hub: HubProcess, ca: Path | None) -> None:
        """Begin to pull; returns when it is under way. ``WorkerFailed``, TimeoutError."""
        self._home.mkdir()
        nothing = self._home / "nothing"
        nothing.mkdir()
        await self._worker.start(1, self._home / "puller.log")
        order = {"url": hub.url, "count": 1, "home": str(self._home / "replica")}
        order |= {"base": str(nothing), "ca": str(ca or ""), "empty": True, "seconds": 600.0}
        before = await hub.counters()
        self._pull = asyncio.create_task(self._worker.one(0, "start", **order))
        deadline = time.monotonic() + _WAIT_S
        while not self._pull.done():
            now = await hub.counters()
            if now.bytes_out - before.bytes_out > _UNDER_WAY:
                return
            if time.monotonic() > deadline:
                raise TimeoutError("the large pull does not get under way")
            await asyncio.sleep(0.05)

    @property
    def over(self) -> bool:
        """Whether it had everything before it was stopped: then it was too short."""
        return self._pull is not None and self._pull.done()

    async def stop(self) -> None:
        """Break off the pull."""
        self._worker.kill()
        if self._pull is not None:
            for error in await asyncio.gather(self._pull, return_exceptions=True):
                if isinstance(error, BaseException) and not isinstance(error, WorkerFailed):
                    raise error
        await self._worker.stop()
