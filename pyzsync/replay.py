"""Applying a delta: the new file, staged window by window, hashed from the staged bytes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from typing import TYPE_CHECKING

from pyzsync.errors import BadDelta, VersionMismatch
from pyzsync.grid import WINDOW, window_bytes
from pyzsync.hashes import WindowHashes, hash_window
from pyzsync.parallel import in_turn
from pyzsync.patch import DIRECT
from pyzsync.steps import Steps
from pyzsync.tree import HashTree, TreeBuilder

if TYPE_CHECKING:
    from typing_extensions import Buffer


class Replay:
    """The steps of a delta, done in order as their literals come.

    ``copy(source, offset, size)`` stages old bytes, ``read_old(source, size)`` returns them;
    ``read(offset, size)`` and ``write(offset, data)`` are the staging file. Where a file has shrunk
    fewer bytes come: the version will not be right. The threads of ``executor``, if there is one,
    read and hash the windows that are whole while later ones are staged.
    """

    def __init__(
        self,
        steps: Steps,
        length: int,
        copy: Callable[[int, int, int], object],
        read_old: Callable[[int, int], bytes],
        read: Callable[[int, int], bytes],
        write: Callable[[int, bytes], object],
        executor: Executor | None = None,
    ) -> None:
        self._parts = _parts(steps)
        self._length = length
        self._copy = copy
        self._read_old = read_old
        self._read = read
        self._write = write
        self._executor = executor
        self._gathered = bytearray()
        self._builder = TreeBuilder(length)
        self._done = 0
        self._wanted = 0  # literal bytes that the current step still needs

    def feed(self, literal: Buffer) -> None:
        """Go on as far as these literal bytes reach; then everything up to there is staged.

        Raises ``BadDelta`` if there are more of them than the steps have.
        """
        whole = self._go_on(memoryview(literal))
        for window, hashes in in_turn(self._hash, whole, self._executor):
            self._builder.put(window, hashes)

    def finish(self, version: bytes) -> HashTree:
        """The tree of the whole, from the staged bytes.

        Raises ``BadDelta`` if literals are missing, ``VersionMismatch`` if the old bytes or the
        delta were not what they should be.
        """
        if self._done < self._length:
            raise BadDelta("it ended early")
        tree = self._builder.finish()
        if tree.version != version:
            raise VersionMismatch(version, tree.version)
        return tree

    @property
    def _room(self) -> int:
        """Bytes up to the end of the window."""
        return WINDOW - self._done % WINDOW

    def _go_on(self, rest: memoryview) -> Iterator[int]:
        """Stage what these literal bytes reach; the windows that are whole, each as soon as it is.

        No window is written to again after it was given.
        """
        yield from self._advance()
        while rest:
            if not self._wanted:
                raise BadDelta("it has more literal bytes than its steps")
            size = min(len(rest), self._wanted, self._room)
            self._gathered += rest[:size]
            self._wanted -= size
            rest = rest[size:]
            yield from self._made(size)
            yield from self._advance()
        self._flush()

    def _advance(self) -> Iterator[int]:
        """Do copies until a literal is needed."""
        while not self._wanted:
            part = next(self._parts, None)
            if part is None:
                return
            source, size = part
            if source is None:
                self._wanted = size
                return
            while size:
                taken = min(size, self._room)
                self._stage(source, taken)
                source, size = source + taken, size - taken
                yield from self._made(taken)

    def _stage(self, source: int, size: int) -> None:
        if size >= DIRECT:
            self._flush()
            self._copy(source, self._done, size)
        else:  # gathered with the literals around it, and written at once
            self._gathered += self._read_old(source, size).ljust(size, b"\0")

    def _made(self, size: int) -> Iterator[int]:
        """So much more is made: if a window is whole now, which one."""
        self._done += size
        if self._done % WINDOW == 0 or self._done == self._length:
            self._flush()
            yield (self._done - 1) // WINDOW

    def _flush(self) -> None:
        """Write what is gathered: it ends at ``_done``."""
        if self._gathered:
            self._write(self._done - len(self._gathered), bytes(self._gathered))
            self._gathered.clear()

    def _hash(self, window: int) -> tuple[int, WindowHashes]:
        """The hashes of a window as it is staged."""
        size = window_bytes(self._length, window)
        data = self._read(window * WINDOW, size)
        if len(data) < size:
            data = data.ljust(size, b"\0")
        return window, hash_window(data, self._builder.base)


def _parts(steps: Steps) -> Iterator[tuple[int | None, int]]:
    """(old offset, size) of copies, (None, size) of literals; none is empty."""
    columns = (steps.source.tolist(), steps.copied.tolist(), steps.literal.tolist())
    for source, copied, literal in zip(*columns, strict=True):
        if copied:
            yield source, copied
        if literal:
            yield None, literal
