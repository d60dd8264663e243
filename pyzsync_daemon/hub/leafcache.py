"""Verified leaves, kept for a while: sets of missing leaves that overlap share the reading.

Clients at several old versions miss different leaves of a new one, but mostly the same ones; and a
delta is searched in the very leaves that are then sent. A leaf never changes, so what was read and
checked once is good for ever.
"""

from __future__ import annotations

import threading
from typing import Final, NamedTuple

import numpy as np

from pyzsync.grid import FANOUT, LEAF, node_count, window_bytes
from pyzsync.runs import Mask, Runs, mask_of, runs_of
from pyzsync.tree import HashTree
from pyzsync_daemon.hub.kept import Kept
from pyzsync_daemon.hub.leaves import LeafReader, Piece, whole_nodes

MAX_BYTES: Final = 16 << 20
"""Eight whole windows: what is asked for by several at a time, not a copy of the tree."""

# Runs this near to each other (in leaves) are read and checked in one go: one more read and its
# calls cost about as much as hashing 16 KiB that nobody asked for.
GAP: Final = 32

LOCKS: Final = 64  # windows share them by chance; four threads seldom meet


class _Held(NamedTuple):
    """The leaves of one window that were read: which, and their bytes in ascending pieces."""

    mask: Mask
    pieces: tuple[Piece, ...]


class LeafCache:
    """``reader`` behind a memory of ``max_bytes``, for any thread.

    ``reads`` counts what was read of published files.
    """

    def __init__(self, reader: LeafReader, max_bytes: int = MAX_BYTES) -> None:
        self.reads = reader.reads
        self._reader = reader
        self._held: Kept[tuple[bytes, int], _Held] = Kept(max_bytes, _size)
        # Held while a window is read: who wants the same leaves at the same time waits for them.
        self._locks = [threading.Lock() for _ in range(LOCKS)]

    def find(self, tree: HashTree, window: int, asked: Runs) -> tuple[list[Piece], Runs]:
        """Return the asked leaves of a window, ascending, and those that are gone everywhere.

        ``asked`` are indices within the window. Raises ``OSError`` when the disk fails.
        """
        count = node_count(window_bytes(tree.length, window), 0)
        wanted = mask_of(asked, count)
        key = tree.version, window
        with self._locks[hash(key) % LOCKS]:
            held = self._held.get(key) or _Held(np.zeros(count, dtype=np.bool_), ())
            if (wanted & ~held.mask).any():
                held = self._read(tree, window, wanted, held)
                self._held.put(key, held)
        return _cut(held.pieces, wanted), runs_of(wanted & ~held.mask)

    def _read(self, tree: HashTree, window: int, wanted: Mask, held: _Held) -> _Held:
        # Whole nodes, as they are read and checked: a leaf alone would keep its node's bytes alive.
        runs = whole_nodes(_joined(runs_of(wanted & ~held.mask)), FANOUT**tree.base, len(wanted))
        near = mask_of(runs, len(wanted)) & ~held.mask
        fresh, gone = self._reader.find(tree, window, runs_of(near))
        mask = held.mask | (near & ~mask_of(gone, len(near)))
        return _Held(mask, tuple(sorted((*held.pieces, *fresh))))


def _joined(runs: Runs) -> Runs:
    """Runs with the gaps between near ones filled."""
    joined: Runs = []
    for start, stop in runs:
        if joined and start - joined[-1][1] <= GAP:
            start = joined.pop()[0]
        joined.append((start, stop))
    return joined


def _cut(pieces: tuple[Piece, ...], wanted: Mask) -> list[Piece]:
    """The wanted leaves among the pieces, which ascend and do not overlap."""
    cut: list[Piece] = []
    for first, data in pieces:
        count = -(-len(data) // LEAF)
        cut += [
            Piece(first + start, data[start * LEAF : stop * LEAF])
            for start, stop in runs_of(wanted[first : first + count])
        ]
    return cut


def _size(held: _Held) -> int:
    """Bytes kept alive: a piece is a view, at most a short node longer than what it shows."""
    return len(held.mask) + sum(256 + len(piece.data) for piece in held.pieces)
