"""The hash tree of one version: built window by window, in any order, on any thread.

Every level from ``base`` (the finest kept) to the top is kept as one pair of columns, so a level,
or a part of one, is a hashlist without any work: 24 bytes a node, a third more for all above it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
from blake3 import blake3

from pyzsync import kernel
from pyzsync.errors import MissingBlocks, ShortRead
from pyzsync.grid import (
    FANOUT,
    KEPT_WIDTH,
    LEAF,
    WINDOW,
    WINDOW_LEVEL,
    finest_kept,
    node_count,
    node_size,
    top_level,
    window_bytes,
    window_count,
)
from pyzsync.hashes import (
    FULL_WIDTH,
    WEAK,
    Hashes,
    WindowHashes,
    hash_level,
    hash_window,
)
from pyzsync.runs import Mask, runs_of

if TYPE_CHECKING:
    from typing_extensions import Buffer

EMPTY_TOP: bytes = blake3(b"").digest()


def version_of(length: int, top: bytes) -> bytes:
    """The 32 bytes that name a content: BLAKE3(length as 8 bytes little-endian, top digest)."""
    return blake3(length.to_bytes(8, "little") + top).digest()


def version_of_bytes(data: Buffer) -> bytes:
    """The version of a file of 1 byte to one window; no tree is made."""
    return version_of(memoryview(data).nbytes, hash_window(data, WINDOW_LEVEL).apex)


EMPTY_VERSION = version_of(0, EMPTY_TOP)


@dataclass(frozen=True, slots=True, eq=False)
class HashTree:
    """``levels[i]`` are the nodes of level ``base + i``; the last level has at most one node.

    ``rest()`` gives back the memory of columns that can be read again (a mapped tree's); passes
    over a whole tree call it every few megabytes.
    """

    length: int
    base: int
    top: bytes  # full digest at top_level(length)
    levels: tuple[Hashes, ...]
    rest: Callable[[], object] = lambda: None

    @property
    def version(self) -> bytes:
        """The version that this is the tree of."""
        return version_of(self.length, self.top)

    def has(self, level: int) -> bool:
        """Is this level kept?"""
        return self.base <= level < self.base + len(self.levels)

    def hashes(self, level: int, first: int = 0, count: int | None = None) -> Hashes:
        """Views of ``count`` nodes of ``level`` from ``first``; ValueError if not all are kept."""
        if not self.has(level):
            raise ValueError(f"level {level} is not kept (the finest is {self.base})")
        nodes = self.levels[level - self.base]
        stop = len(nodes) if count is None else first + count
        if not 0 <= first <= stop <= len(nodes):
            raise ValueError(f"nodes {first}..{stop} are outside level {level} of {len(nodes)}")
        return nodes[first:stop]


class Columns(Protocol):
    """Where the columns of a tree are kept while it is built: one pair for each level of nodes."""

    def put(self, level: int, first: int, part: Hashes) -> None:
        """Keep the hashes of the nodes from ``first`` on of the ``level``-th pair."""
        ...

    def finish(self) -> tuple[list[Hashes], Callable[[], object]]:
        """All pairs, and what gives back their memory, if it can be read again."""
        ...


class MemoryColumns:
    """Columns in memory, for levels of so many nodes."""

    def __init__(self, counts: Sequence[int]) -> None:
        self._levels = [Hashes.blank(count, KEPT_WIDTH) for count in counts]

    def put(self, level: int, first: int, part: Hashes) -> None:
        """Keep some hashes."""
        self._levels[level].weak[first : first + len(part)] = part.weak
        self._levels[level].strong[first : first + len(part)] = part.strong

    def finish(self) -> tuple[list[Hashes], Callable[[], object]]:
        """The columns themselves."""
        return self._levels, lambda: None


class TreeBuilder:
    """Joins the hashes of all windows of a file of ``length`` bytes into its tree.

    A window may be put again (its bytes have changed) or dropped. ``columns`` makes the place for
    levels of so many nodes each. ``finish`` hands out the builder's own columns, so nothing may be
    put afterwards.
    """

    def __init__(
        self,
        length: int,
        base: int | None = None,
        columns: Callable[[Sequence[int]], Columns] = MemoryColumns,
    ) -> None:
        self.length = length
        self.base = finest_kept(length) if base is None else base
        self._last = max(self.base, top_level(length))
        self._kept = range(self.base, min(self._last, WINDOW_LEVEL) + 1)
        self._columns = columns([node_count(length, level) for level in self._kept])
        self._tops = np.zeros((window_count(length), FULL_WIDTH), dtype=np.uint8)
        self._top_weak = np.zeros(window_count(length), dtype=WEAK)
        self._apex = EMPTY_TOP
        self._filled: Mask = np.zeros(window_count(length), dtype=np.bool_)

    @property
    def complete(self) -> bool:
        """Are all windows there?"""
        return bool(self._filled.all())

    def put(self, window: int, hashes: WindowHashes) -> None:
        """Take the hashes of one window; ValueError if they are of another base or length."""
        if (hashes.length, hashes.base) != (window_bytes(self.length, window), self.base):
            raise ValueError(
                f"window {window} has {window_bytes(self.length, window)} bytes at base "
                f"{self.base}, not {hashes.length} at {hashes.base}"
            )
        for level in self._kept:
            first = window * FANOUT ** (WINDOW_LEVEL - level)
            self._columns.put(level - self.base, first, hashes.level(level))
        self._tops[window] = np.frombuffer(hashes.top, dtype=np.uint8)
        self._top_weak[window] = hashes.level(WINDOW_LEVEL).weak[0]
        self._apex = hashes.apex
        self._filled[window] = True

    def drop(self, window: int) -> None:
        """Forget one window: its bytes are no longer vouched for."""
        self._filled[window] = False

    def drop_all(self) -> None:
        """Forget every window."""
        self._filled[:] = False

    def finish(self) -> HashTree:
        """Fold the levels above the windows; MissingBlocks if a window has not been put."""
        if not self.complete:
            raise MissingBlocks(runs_of(~self._filled))
        columns, rest = self._columns.finish()
        levels = list(columns)
        top = self._apex
        weak, strong = self._top_weak.tobytes(), self._tops.tobytes()
        for level in range(WINDOW_LEVEL + 1, self._last + 1):
            weak, strong = kernel.hash_nodes(weak, strong, node_size(level - 1), self.length)
            levels.append(Hashes.from_bytes(weak, strong, FULL_WIDTH).cut(KEPT_WIDTH))
            top = strong
        return HashTree(self.length, self.base, top, tuple(levels), rest)


def build_tree(length: int, windows: Iterable[WindowHashes], base: int | None = None) -> HashTree:
    """The tree of a file from its windows in order; they say its base if it is not given."""
    builder = None if base is None else TreeBuilder(length, base)
    for window, hashes in enumerate(windows):
        builder = builder or TreeBuilder(length, hashes.base)
        builder.put(window, hashes)
    return (builder or TreeBuilder(length)).finish()


def hash_stream(read: Callable[[int], bytes], length: int, base: int | None = None) -> HashTree:
    """Hash a file by reading it once, from its start, one window at a time.

    ``read(n)`` returns at most ``n`` bytes, and none only at the end. ShortRead if the file has not
    exactly ``length`` bytes.
    """
    builder = TreeBuilder(length, base)
    for window in range(window_count(length)):
        size = window_bytes(length, window)
        data = _read_all(read, size)
        if len(data) < size:
            raise ShortRead(length, window * WINDOW + len(data))
        builder.put(window, hash_window(data, builder.base))
    if read(1):
        raise ShortRead(length, length + 1)
    return builder.finish()


def _read_all(read: Callable[[int], bytes], size: int) -> bytes:
    data = read(size)
    if len(data) == size:  # the usual case copies nothing
        return data
    parts = bytearray(data)
    while data and len(parts) < size:
        data = read(size - len(parts))
        parts += data
    return bytes(parts)


def matching_leaves(tree: HashTree, first_leaf: int, data: Buffer) -> Mask:
    """Which leaves of ``data``, that begin at ``first_leaf``, are those of the tree's version?

    Both ends must lie on nodes of the tree's base level, or on the file's end (else ValueError).
    Above leaf level, a node that differs in one byte disowns all its leaves.
    """
    size = memoryview(data).nbytes
    start, stop = first_leaf * LEAF, first_leaf * LEAF + size
    unit = node_size(tree.base)
    if (
        start % unit
        or (stop % unit and stop != tree.length)
        or not 0 <= start <= stop <= tree.length
    ):
        raise ValueError(f"bytes {start}..{stop} do not lie on the grid of {tree.length} bytes")
    if not size:
        return np.zeros(0, dtype=np.bool_)
    found = hash_level(data, tree.base)
    same = tree.hashes(tree.base, start // unit, len(found)).equal(found)
    return np.repeat(same, FANOUT**tree.base)[: node_count(size, 0)]
