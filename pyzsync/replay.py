"""Applying a delta: the new file, staged window by window, hashed from the staged bytes."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from pyzsync.errors import VersionMismatch
from pyzsync.grid import WINDOW, window_bytes
from pyzsync.hashes import hash_window
from pyzsync.steps import Steps
from pyzsync.tree import HashTree, TreeBuilder

# Copies from here on go to staging directly (a file system may share the blocks); shorter ones are
# gathered with the literals around them and written at once.
_DIRECT = 128 * 1024


class Replay:
    """The steps of a delta, done in order.

    ``copy(source, offset, size)`` stages old bytes, ``read_old(source, size)`` returns them, and
    ``literal(size)`` the next literal ones; ``read(offset, size)`` and ``write(offset, data)`` are
    the staging file. Where a file has shrunk fewer bytes come: the version will not be right.
    """

    def __init__(
        self,
        steps: Steps,
        length: int,
        copy: Callable[[int, int, int], object],
        read_old: Callable[[int, int], bytes],
        literal: Callable[[int], bytes],
        read: Callable[[int, int], bytes],
        write: Callable[[int, bytes], object],
    ) -> None:
        self._steps = steps
        self._length = length
        self._copy = copy
        self._read_old = read_old
        self._literal = literal
        self._read = read
        self._write = write
        self._gathered = bytearray()
        self._builder = TreeBuilder(length)

    def run(self, version: bytes) -> HashTree:
        """Stage everything, hash every staged window; the tree of the whole.

        Raises ``VersionMismatch`` if the old bytes or the delta were not what they should be.
        """
        done = 0
        for source, size in self._parts():
            while size:
                part = min(size, WINDOW - done % WINDOW)
                self._stage(done, source, part)
                done, size = done + part, size - part
                source = source if source is None else source + part
                if done % WINDOW == 0 or done == self._length:
                    self._check(done)
        tree = self._builder.finish()
        if tree.version != version:
            raise VersionMismatch(version, tree.version)
        return tree

    def _parts(self) -> Iterator[tuple[int | None, int]]:
        """(old offset, size) of copies, (None, size) of literals."""
        steps = self._steps
        columns = (steps.source.tolist(), steps.copied.tolist(), steps.literal.tolist())
        for source, copied, literal in zip(*columns, strict=True):
            yield source, copied
            yield None, literal

    def _stage(self, at: int, source: int | None, size: int) -> None:
        if source is None:
            self._gathered += self._literal(size)
        elif size >= _DIRECT:
            self._flush(at)
            self._copy(source, at, size)
        else:
            self._gathered += self._read_old(source, size).ljust(size, b"\0")

    def _flush(self, end: int) -> None:
        if self._gathered:
            self._write(end - len(self._gathered), bytes(self._gathered))
            self._gathered.clear()

    def _check(self, end: int) -> None:
        self._flush(end)
        window = (end - 1) // WINDOW
        size = window_bytes(self._length, window)
        data = self._read(window * WINDOW, size)
        self._builder.put(window, hash_window(data.ljust(size, b"\0"), self._builder.base))
