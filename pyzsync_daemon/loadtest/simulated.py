"""One simulated client: the daemon's own session, link and reconnection, on another workbench."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from websockets.asyncio.client import ClientConnection

from pyzsync_daemon.client.daemon import ClientDaemon
from pyzsync_daemon.client.interfaces import Bench, Done, Running, Work
from pyzsync_daemon.client.link import Decode, open_link
from pyzsync_daemon.client.workbench import Workbench
from pyzsync_daemon.config import ClientSettings
from pyzsync_daemon.demo.trees import differ
from pyzsync_daemon.loadtest.comparison import Comparison
from pyzsync_daemon.loadtest.memory import Held, MemoryBench
from pyzsync_daemon.loadtest.reading import Reading
from pyzsync_daemon.loadtest.runners import Turns
from pyzsync_daemon.loadtest.segments import Segments
from pyzsync_daemon.loadtest.shared import Shared
from pyzsync_daemon.loadtest.watch import Watch

RunnerOf = Callable[[Work, Done], Running]


class Replica(Protocol):
    """Where a simulated client keeps its files."""

    @property
    def bench(self) -> Bench:
        """What does the effects."""
        ...

    @property
    def placed_at(self) -> float:
        """When it last put something in place (``time.monotonic``); 0 if it does not tell."""
        ...

    def differs(self, root: Path, comparison: Comparison) -> str:
        """How it differs from the tree at ``root``, which ``comparison`` has; empty if not."""
        ...

    def spoil(self, path: str) -> None:
        """Change one byte of a file behind the client's back."""
        ...

    def close(self) -> None:
        """Let go of it."""
        ...


class MemoryReplica:
    """Files in memory, as edits of a shared base."""

    placed_at = 0.0  # nothing comes between that and the end of the effect

    def __init__(self, shared: Shared, base: Mapping[str, Held]) -> None:
        self.bench = MemoryBench(shared, base)

    def differs(self, root: Path, comparison: Comparison) -> str:
        """Compare every byte of every file."""
        return comparison.differs(self.bench.files)

    def spoil(self, path: str) -> None:
        """Change the middle byte of a copy that this client alone has."""
        held = self.bench.tree[path]
        assert held.content is not None
        whole = held.content.bytes
        data = bytearray(whole.read(0, whole.length))
        data[len(data) // 2] ^= 1
        whole = Segments.of(bytes(data))
        content = replace(held.content, bytes=whole)
        self.bench.tree[path] = replace(held, content=content)

    def close(self) -> None:
        """Nothing is open."""


class DiskReplica:
    """Files in a directory, with the daemon's own workbench."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.placed_at = 0.0
        self.bench = Workbench(root, step=self._step)

    def differs(self, root: Path, comparison: Comparison) -> str:
        """Compare every entry and every byte."""
        found = differ(root, self.root)
        return f"{found.path}: {found.what}" if found is not None else ""

    def spoil(self, path: str) -> None:
        """Change the middle byte."""
        with (self.root / path).open("r+b") as file:
            middle = file.seek(0, 2) // 2
            file.seek(middle)
            byte = file.read(1)[0]
            file.seek(middle)
            file.write(bytes([byte ^ 1]))

    def close(self) -> None:
        """Close the workbench."""
        self.bench.close()

    def _step(self, name: str) -> None:
        """A commit goes on to sync directories and to record what it did."""
        if name == "rename":
            self.placed_at = time.monotonic()


class Client:
    """One client. ``gate`` holds back new connections while it is not set.

    Clients of one worker take ``turns`` in what they do with the frames that have come, and share
    a ``decode``.
    """

    def __init__(
        self,
        settings: ClientSettings,
        replica: Replica,
        runner: RunnerOf,
        turns: Turns,
        gate: asyncio.Event,
        decode: Decode,
    ) -> None:
        self.watch = Watch(lambda: replica.placed_at)
        self.replica = replica
        self.paused = False
        self._turns = turns
        self._gate = gate
        self._websocket: ClientConnection | None = None
        self._stop = asyncio.Event()
        self._daemon = ClientDaemon(
            settings,
            replica.bench,
            self.watch,
            once=False,
            runner=runner,
            connect=self._connect,
            decode=decode,
        )
        self.task = asyncio.create_task(self._daemon.run(self._stop))

    @property
    def received(self) -> int:
        """Bytes of frames so far."""
        return self.watch.received_bytes + self._daemon.received

    def pause(self, paused: bool) -> None:
        """Stop reading, or go on: what the hub sends stays in the sockets' buffers."""
        self.paused = paused
        if self._websocket is not None:
            transport = self._websocket.transport
            if transport.is_closing():
                return
            if paused:
                transport.pause_reading()
            else:
                transport.resume_reading()

    def cut(self) -> None:
        """Lose the connection; the daemon connects again by itself."""
        if self._websocket is not None:
            self._websocket.transport.abort()

    async def stop(self) -> None:
        """End the client; raises what it failed with."""
        self._stop.set()
        await self.task
        self.replica.close()

    async def _connect(self, settings: ClientSettings) -> Reading:
        await self._gate.wait()
        self._websocket = await open_link(settings)
        if self.paused:
            self._websocket.transport.pause_reading()
        return Reading(self._websocket, self._turns, self.watch.heard)
