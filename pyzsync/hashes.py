"""Columns of node hashes, and the hashes of one window.

A node's weak sum is the polynomial sum of its bytes; the strong of a leaf is BLAKE3 of its bytes,
the digest of a node BLAKE3 over its children's *full* digests. Levels are uniform: an only child
still makes a node. Digests are cut when they are kept, and full only while a window is folded here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray

from pyzsync import kernel
from pyzsync.grid import KEPT_WIDTH, WINDOW, WINDOW_LEVEL, node_count, node_size
from pyzsync.runs import Mask

if TYPE_CHECKING:
    from typing_extensions import Buffer

FULL_WIDTH = 32
WEAK = np.dtype("<u4")


@dataclass(frozen=True, slots=True, eq=False)
class Hashes:
    """Hashes of ``n`` nodes: ``weak`` is (n,) uint32, ``strong`` is (n, width) bytes."""

    weak: NDArray[np.uint32]
    strong: NDArray[np.uint8]

    def __post_init__(self) -> None:
        if self.weak.ndim != 1 or self.strong.ndim != 2 or len(self.weak) != len(self.strong):
            raise ValueError(f"columns of {self.weak.shape} and {self.strong.shape} do not match")

    @classmethod
    def from_bytes(cls, weak: Buffer, strong: Buffer, width: int) -> Self:
        """Views over packed columns; ValueError if their lengths disagree."""
        rows = np.frombuffer(memoryview(strong), dtype=np.uint8)
        return cls(np.frombuffer(memoryview(weak), dtype=WEAK), rows.reshape(-1, width))

    @classmethod
    def blank(cls, count: int, width: int) -> Self:
        """Columns to be filled in; memory is taken only where something is written."""
        return cls(np.zeros(count, dtype=WEAK), np.zeros((count, width), dtype=np.uint8))

    def __len__(self) -> int:
        return len(self.weak)

    @property
    def width(self) -> int:
        """Strong bytes per node."""
        return int(self.strong.shape[1])

    def __getitem__(self, rows: slice) -> Hashes:
        return Hashes(self.weak[rows], self.strong[rows])

    def take(self, rows: NDArray[np.int64] | NDArray[np.int32]) -> Hashes:
        """The hashes of the nodes at ``rows``, copied."""
        return Hashes(self.weak[rows], self.strong.take(rows, axis=0))

    def cut(self, width: int) -> Hashes:
        """A copy with ``width`` strong bytes a node; ValueError if there are fewer."""
        if width > self.width:
            raise ValueError(f"{self.width} strong bytes cannot be cut to {width}")
        return Hashes(self.weak.copy(), self.strong[:, :width].copy())

    def equal(self, other: Hashes) -> Mask:
        """Row by row: do these name the same bytes, by the strong bytes that both have?"""
        width = min(self.width, other.width)
        same: Mask = self.weak == other.weak
        rows = np.flatnonzero(same)
        flags = kernel.equal_rows(
            np.ascontiguousarray(self.strong.take(rows, axis=0)[:, :width]).data,
            np.ascontiguousarray(other.strong.take(rows, axis=0)[:, :width]).data,
            width,
        )
        same[rows] = np.frombuffer(flags, dtype=np.bool_)
        return same

    def weak_bytes(self) -> bytes:
        """The weak column packed: 4 bytes a node, little-endian."""
        return self.weak.tobytes()

    def strong_bytes(self) -> bytes:
        """The strong column packed: ``width`` bytes a node."""
        return self.strong.tobytes()


@dataclass(frozen=True, slots=True, eq=False)
class WindowHashes:
    """All hashes of one window of ``length`` bytes.

    ``nodes`` are cut: those of the levels from ``base`` to the window's, one behind the other.
    ``top`` is the full digest of the window's own node; ``apex`` that of its lowest node without a
    sibling, which is the top of the file's tree if the file has no other window.
    """

    length: int
    base: int
    nodes: Hashes
    top: bytes
    apex: bytes

    def level(self, level: int) -> Hashes:
        """The hashes of the window's nodes of ``level`` (``base`` to the window's)."""
        first = sum(node_count(self.length, below) for below in range(self.base, level))
        return self.nodes[first : first + node_count(self.length, level)]


def hash_window(data: Buffer, base: int = 0) -> WindowHashes:
    """Hash 1 byte to one window of bytes that begin on a window boundary of their file."""
    length = memoryview(data).nbytes
    if not 0 < length <= WINDOW:
        raise ValueError(f"a window has 1 to {WINDOW} bytes, not {length}")
    if not 0 <= base <= WINDOW_LEVEL:
        raise ValueError(f"the finest kept level is 0 to {WINDOW_LEVEL}, not {base}")
    weak, strong, top, apex = kernel.hash_levels(data, base, WINDOW_LEVEL, KEPT_WIDTH)
    return WindowHashes(length, base, Hashes.from_bytes(weak, strong, KEPT_WIDTH), top, apex)


def hash_level(data: Buffer, level: int) -> Hashes:
    """Full hashes of the nodes of ``level`` in bytes that begin on a node of that level."""
    length = memoryview(data).nbytes
    weak, strong = kernel.hash_leaves(data)
    for below in range(level):
        weak, strong = kernel.hash_nodes(weak, strong, node_size(below), length)
    return Hashes.from_bytes(weak, strong, FULL_WIDTH)
