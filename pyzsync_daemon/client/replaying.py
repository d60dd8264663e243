"""A delta on its way into staging: parts in, bytes staged as far as the parts reach."""

from __future__ import annotations

from typing import Generic

from protocol.messages import Delta
from pyzsync import BadDelta, HashTree, Replay, decode_steps
from pyzsync.grid import WINDOW
from pyzsync.steps import HEADER_SIZE, columns_size
from pyzsync_daemon.client.interfaces import File, OldContent
from pyzsync_daemon.compression import Inflater


class Replaying(Generic[File]):
    """One delta from the old version, of ``old_length`` bytes, at the start of the old bytes.

    ``put`` and ``finish`` raise ``BadDelta``, ``CodedDataError`` or ``VersionMismatch`` when the
    delta is of no use, ``OSError`` when the disk says no.
    """

    def __init__(self, first: Delta, old: OldContent[File], old_length: int, length: int) -> None:
        self.literal_bytes = 0
        self._facts = _facts(first)
        self._next = 0
        self._inflater = Inflater(first.coding, first.size)
        self._old = old
        self._old_length = old_length
        self._length = length
        self._head = bytearray()  # what has come of header and columns
        self._replay: Replay | None = None
        self._file: File | None = None

    def put(self, part: Delta, file: File) -> None:
        """Stage what one more part gives."""
        if _facts(part) != self._facts or part.part != self._next:
            raise BadDelta("its parts do not belong together")
        self._next += 1
        self._file = file
        for piece in self._inflater.put(part.data):
            self._take(piece)

    def finish(self, version: bytes, file: File) -> HashTree:
        """The verified tree of the whole."""
        self._inflater.finish()
        self._file = file
        if self._replay is None:
            raise BadDelta("it ended early")
        return self._replay.finish(version)

    def _take(self, piece: bytes) -> None:
        if self._replay is None:
            self._head += piece
            piece = self._begin()
        if self._replay is not None:
            self._replay.feed(piece)

    def _begin(self) -> bytes:
        """With all columns here the replay begins; returns what came of the literals."""
        if len(self._head) < HEADER_SIZE:
            return b""
        header = bytes(self._head[:HEADER_SIZE])
        end = HEADER_SIZE + columns_size(header)
        if len(self._head) < end:
            return b""
        columns = bytes(self._head[HEADER_SIZE:end])
        steps = decode_steps(header, columns, self._old_length, self._length)
        self.literal_bytes = steps.literal_bytes
        self._replay = Replay(
            steps,
            self._length,
            self._copy,
            self._old.read,
            self._read,
            self._write,
            self._old.cores if self._length > WINDOW else None,
        )
        rest = bytes(self._head[end:])
        self._head.clear()
        return rest

    def _copy(self, source: int, offset: int, size: int) -> None:
        assert self._file is not None
        self._old.copy(source, size, self._file, offset)

    def _read(self, offset: int, size: int) -> bytes:
        assert self._file is not None
        return self._file.read(offset, size)

    def _write(self, offset: int, data: bytes) -> None:
        assert self._file is not None
        self._file.write(offset, data)


def _facts(part: Delta) -> tuple[object, ...]:
    return part.query, part.parts, part.coding, part.size
