"""Old bytes and staging in memory, as a ``Pull`` wants them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from protocol.messages import Change
from pyzsync import HashTree, hash_stream
from pyzsync.tree import MemoryColumns
from pyzsync_daemon.client.replica import WorkbenchSettings
from pyzsync_daemon.loadtest.segments import Segments
from pyzsync_daemon.loadtest.shared import Content, Shared


@dataclass(frozen=True, slots=True)
class OldFile:
    """The content that the path holds."""

    content: Content
    staged: bool = False
    given: bool = True  # or equal to it: nobody edits these

    @property
    def length(self) -> int:
        """Its bytes."""
        return self.content.bytes.length

    @property
    def version(self) -> bytes:
        """Its version."""
        return self.content.version


class MemoryStaged:
    """A new file being made; what is written is shared with the clients that got the same."""

    def __init__(self, shared: Shared, version: bytes, length: int) -> None:
        self.bytes = Segments(length)
        self._shared = shared
        self._version = version

    def read(self, offset: int, size: int) -> bytes:
        """Staged bytes; fewer than ``size`` only at the end."""
        return self.bytes.read(offset, size)

    def write(self, offset: int, data: bytes) -> None:
        """Stage bytes."""
        if data:
            self.bytes.put(offset, self._shared.piece(self._version, offset, data), 0, len(data))


class MemoryStage:
    """The one staged file of a transfer, for as long as the transfer lasts."""

    def __init__(self, staged: MemoryStaged) -> None:
        self.staged = staged

    @contextmanager
    def open(
        self, name: str, sparse: bool = False, size: int | None = None
    ) -> Iterator[MemoryStaged]:
        """Nothing has to be opened."""
        yield self.staged

    def fill(self, name: str, data: bytes, change: Change) -> None:
        """All of its bytes."""
        self.staged.write(0, data)


class MemoryOld:
    """At most one old file: nothing is left behind by transfers that were interrupted."""

    tree_bytes = WorkbenchSettings().tree_bytes
    cores = None  # a thousand clients are at work at once already

    columns = MemoryColumns

    def __init__(self, content: Content | None) -> None:
        has_bytes = content is not None and content.bytes.length
        self.files = (OldFile(content),) if content is not None and has_bytes else ()

    @property
    def length(self) -> int:
        """Its bytes."""
        return sum(file.length for file in self.files)

    @contextmanager
    def opened(self) -> Iterator[None]:
        """Nothing has to be opened."""
        yield

    def trees(self, base: int) -> Iterator[tuple[int, HashTree]]:
        """The file's tree, or one made now."""
        for file in self.files:
            tree = file.content.tree
            if tree is None or not tree.has(base):
                stream = _Stream(file.content.bytes)
                tree = hash_stream(stream.read, file.length, base)
            yield 0, tree

    def read(self, offset: int, size: int) -> bytes:
        """Old bytes."""
        return self.files[0].content.bytes.read(offset, size) if self.files else b""

    def copy(self, offset: int, size: int, staged: MemoryStaged, at: int) -> int:
        """Let staging have the same pieces."""
        if not self.files:
            return 0
        return staged.bytes.copy(at, self.files[0].content.bytes, offset, size)


class _Stream:
    """Reads segments from the first byte to the last."""

    def __init__(self, segments: Segments) -> None:
        self._segments = segments
        self._at = 0

    def read(self, size: int) -> bytes:
        data = self._segments.read(self._at, size)
        self._at += len(data)
        return data
