"""The plain data of the classic API, and the one place that reads it.

A hashlist and a delta are dicts, weak sum to a list of entries, so that they can be sent as they
are (msgpack turns the tuples into lists: those are read too)::

    (number, strong)                 a block of the patched file
    (number, strong, offset)         the same, found at this offset of the old file
    (number, strong, None, size)     the last block, shorter than the blocksize
    (number, strong, offset, size)   the same, found

Without its size a short last block could be looked for only where the old file ends.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from pyzsync.classic.errors import BadBlocksize, BadHashlist

# In the seed's own timings nothing from 512 bytes to 1 MiB is faster by more than noise; of these a
# page is the largest that still keeps small edits small.
DEFAULT_BLOCKSIZE = 4096
STRONG_SIZE = 16  # MD5

Hashes = dict[int, list[tuple[Any, ...]]]
Delta = dict[int, list[tuple[Any, ...]]]
AnyHashes = Mapping[int, Iterable[Sequence[Any]]]


class Entry(NamedTuple):
    """One entry of a hashlist or delta; ``size`` is None for a block of the full blocksize."""

    weak: int
    number: int
    strong: bytes
    offset: int | None
    size: int | None

    def pack(self) -> tuple[Any, ...]:
        """The entry as it stands in a hashlist or delta."""
        if self.size is not None:
            return (self.number, self.strong, self.offset, self.size)
        if self.offset is not None:
            return (self.number, self.strong, self.offset)
        return (self.number, self.strong)


def check_blocksize(blocksize: int) -> int:
    """Return ``blocksize``, or raise BadBlocksize."""
    if not isinstance(blocksize, int) or isinstance(blocksize, bool) or blocksize < 1:
        raise BadBlocksize(blocksize)
    return blocksize


def is_count(value: object) -> bool:
    """Whether ``value`` is a whole number from 0 up."""
    return isinstance(value, int) and value >= 0


def entries(hashes: AnyHashes) -> Iterator[Entry]:
    """Every entry of a hashlist or delta, checked; raises BadHashlist."""
    for weak, listed in hashes.items():
        if not is_count(weak) or weak >> 32:
            raise BadHashlist(weak, None, "a weak sum has 32 bits")
        for packed in listed:
            yield _entry(weak, packed)


def _entry(weak: int, packed: Sequence[Any]) -> Entry:
    if not 2 <= len(packed) <= 4:
        raise BadHashlist(weak, packed, "an entry has 2 to 4 parts")
    number, strong = packed[0], packed[1]
    offset = packed[2] if len(packed) > 2 else None
    size = packed[3] if len(packed) > 3 else None
    if not is_count(number):
        raise BadHashlist(weak, packed, "a block's number counts from 0")
    if not isinstance(strong, bytes) or len(strong) != STRONG_SIZE:
        raise BadHashlist(weak, packed, f"a strong hash has {STRONG_SIZE} bytes")
    if offset is not None and not is_count(offset):
        raise BadHashlist(weak, packed, "an offset counts from 0")
    if size is not None and (not is_count(size) or size == 0):
        raise BadHashlist(weak, packed, "a short block has at least one byte")
    return Entry(weak, number, strong, offset, size)


def checked_entries(hashes: AnyHashes, blocksize: int) -> Iterator[Entry]:
    """As ``entries``, for this blocksize: at most one short block, and it is shorter than that."""
    short = 0
    for entry in entries(hashes):
        if entry.size is not None:
            short += 1
            if entry.size >= blocksize:
                reason = f"the short block does not fit blocksize {blocksize}"
                raise BadHashlist(entry.weak, entry.pack(), reason)
            if short > 1:
                raise BadHashlist(entry.weak, entry.pack(), "only the last block is short")
        yield entry
