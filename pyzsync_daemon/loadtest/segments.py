"""A file's bytes as pieces of buffers that many files share: an edit costs what it changes."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from typing import TypeAlias

Buffer: TypeAlias = bytes | memoryview
Piece = tuple[Buffer | None, int, int]  # a buffer (None: zeros), the offset in it, bytes

_ZEROS = bytes(64 * 1024)
_CHUNK = 256 * 1024  # bytes compared at a time: they stay in the processor's cache


def same(left: Buffer, right: Buffer) -> bool:
    """Whether two buffers of one length hold the same bytes.

    A ``bytearray`` compares itself with any buffer at the speed of memory; a ``memoryview`` does it
    item by item, at a hundredth of that.
    """
    here, there = memoryview(left), memoryview(right)
    return all(
        bytearray(here[at : at + _CHUNK]) == there[at : at + _CHUNK]
        for at in range(0, len(here), _CHUNK)
    )


class Segments:
    """Bytes of a fixed ``length``, zeros at first. Whoever shares one leaves it as it is."""

    def __init__(self, length: int) -> None:
        self.length = length
        self._starts = [0] if length else []
        self._pieces: list[Piece] = [(None, 0, length)] if length else []

    @classmethod
    def of(cls, buffer: Buffer) -> Segments:
        """All of one buffer."""
        whole = cls(0)
        whole.length = len(buffer)
        if len(buffer):
            whole._starts, whole._pieces = [0], [(buffer, 0, len(buffer))]
        return whole

    @property
    def count(self) -> int:
        """How many pieces there are."""
        return len(self._pieces)

    def put(self, offset: int, buffer: Buffer | None, start: int, size: int) -> None:
        """Let ``size`` bytes at ``offset`` be those at ``start`` of a buffer (None: zeros)."""
        if size <= 0:
            return
        if not 0 <= offset <= self.length - size:
            raise ValueError(f"{offset}..{offset + size} is outside {self.length} bytes")
        first, last = self._cut(offset), self._cut(offset + size)
        piece: Piece = (buffer, start, size)
        if first:
            before, at, length = self._pieces[first - 1]
            if before is buffer and at + length == start:  # it goes on where that one ended
                first -= 1
                offset, piece = self._starts[first], (buffer, at, length + size)
        self._starts[first:last] = [offset]
        self._pieces[first:last] = [piece]

    def copy(self, offset: int, other: Segments, start: int, size: int) -> int:
        """Let ``size`` bytes be those at ``start`` of ``other``; returns how many it has."""
        at = offset
        for buffer, within, length in list(other.pieces(start, size)):
            self.put(at, buffer, within, length)
            at += length
        return at - offset

    def pieces(self, offset: int = 0, size: int | None = None) -> Iterator[Piece]:
        """The pieces of a range, up to the end at most."""
        end = self.length if size is None else min(self.length, offset + size)
        index = bisect_right(self._starts, offset) - 1
        while offset < end:
            buffer, start, length = self._pieces[index]
            skipped = offset - self._starts[index]
            taken = min(length - skipped, end - offset)
            yield buffer, start + skipped, taken
            offset += taken
            index += 1

    def views(self, offset: int = 0, size: int | None = None) -> Iterator[Buffer]:
        """The bytes of a range, without copying them."""
        for buffer, start, length in self.pieces(offset, size):
            if buffer is not None:
                yield memoryview(buffer)[start : start + length]
                continue
            for done in range(0, length, len(_ZEROS)):
                yield memoryview(_ZEROS)[: min(len(_ZEROS), length - done)]

    def read(self, offset: int, size: int) -> bytes:
        """The bytes of a range; fewer only at the end."""
        return b"".join(self.views(offset, size))

    def first_difference(self, data: Buffer) -> int | None:
        """Where these bytes and ``data`` differ first; None if they are equal."""
        other = memoryview(data)
        at = 0
        for view in self.views():
            theirs = other[at : at + len(view)]
            if len(theirs) != len(view) or not same(view, theirs):
                pairs = zip(theirs.tolist(), memoryview(view).tolist(), strict=False)
                return at + next((n for n, (a, b) in enumerate(pairs) if a != b), len(theirs))
            at += len(view)
        return at if at < len(other) else None

    def equals(self, other: Segments) -> bool:
        """Whether both hold the same bytes; what both share need not be looked at."""
        if self is other:
            return True
        if self.length != other.length:
            return False
        offset = 0
        while offset < self.length:
            (mine, at, size), (theirs, start, length) = (
                next(each.pieces(offset)) for each in (self, other)
            )
            size = min(size, length)
            shared = mine is theirs and (mine is None or at == start)
            if not shared and self.read(offset, size) != other.read(offset, size):
                return False
            offset += size
        return True

    def _cut(self, offset: int) -> int:
        """Make a piece begin at ``offset``; returns its index (past the last one at the end)."""
        if offset == self.length:
            return len(self._pieces)
        index = bisect_right(self._starts, offset) - 1
        skipped = offset - self._starts[index]
        if not skipped:
            return index
        buffer, start, length = self._pieces[index]
        self._pieces[index : index + 1] = [
            (buffer, start, skipped),
            (buffer, start + skipped, length - skipped),
        ]
        self._starts.insert(index + 1, offset)
        return index + 1
