"""The join of the kernel's numpy twin; pyzsync/kernel.py has the contract."""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING, final

import numpy as np
from numpy.typing import NDArray

from pyzsync._numpy_hashes import DIGEST, equal_rows, sums_of
from pyzsync.lookup import Lookup
from pyzsync.weak import as_bytes

if TYPE_CHECKING:
    from pyzsync.weak import Data

_KEY = 4  # strong bytes of a key
_MOST = 2**31 - 2
_NO_PLACE = 2**31 - 1


class _Rows:
    """Columns of hashes."""

    def __init__(self, weak: Data, strong: Data, width: int) -> None:
        self.weak, packed, self.width = sums_of(weak), as_bytes(strong), width
        if not _KEY <= width <= DIGEST:
            raise ValueError("width must be 4 to 32")
        if packed.size != width * self.weak.size:
            raise ValueError("strong must hold width bytes for each node")
        if self.weak.size > _MOST:
            raise ValueError("too many nodes")
        self.strong = packed.reshape(-1, width)

    def keys(self, rows: slice | NDArray[np.intp]) -> NDArray[np.uint64]:
        """The keys of some rows: the weak sum and the first strong bytes."""
        low = np.ascontiguousarray(self.strong[rows, :_KEY]).view("<u4")[:, 0]
        keys: NDArray[np.uint64] = self.weak[rows].astype(np.uint64) << np.uint64(32) | low
        return keys

    def equal(
        self, rows: NDArray[np.intp], other: _Rows, others: NDArray[np.intp]
    ) -> NDArray[np.bool_]:
        """Pair by pair: do rows of the same key have equal strong bytes?"""
        width = min(self.width, other.width)
        mine = np.ascontiguousarray(self.strong[rows, :width])
        flags = equal_rows(mine, np.ascontiguousarray(other.strong[others, :width]), width)
        return np.frombuffer(flags, np.bool_)


@final
class Join:
    """Where wanted nodes are among old ones: their distinct keys are found by bisection."""

    def __init__(self, flags: Data, weak: Data, strong: Data, width: int, /) -> None:
        self._rows = _Rows(weak, strong, width)
        wanted = as_bytes(flags)
        if wanted.size != self._rows.weak.size:
            raise ValueError("flags must hold a byte for each node")
        self._nodes = np.flatnonzero(wanted)
        self._lookup = Lookup(self._rows.keys(self._nodes))
        self._where = np.full(len(self._lookup.keys), _NO_PLACE, np.int64)
        self._lock = Lock()

    def feed(self, weak: Data, strong: Data, width: int, place: int, /) -> None:
        """Look up old nodes, of which the first is at `place`."""
        old = _Rows(weak, strong, width)
        if not 0 <= place <= _MOST - old.weak.size:
            raise ValueError("place is out of range")
        if not len(self._nodes):
            return
        at, key = self._lookup.find(old.keys(slice(None)))
        same = self._rows.equal(self._firsts()[key], old, at)
        with self._lock:
            np.minimum.at(self._where, key[same], at[same] + place)

    def places(self) -> bytes:
        """An int32 for each node: the least place of an equal old one, or -1."""
        places = np.full(self._rows.weak.size, -1, "<i4")
        if len(self._nodes):
            where = self._where[self._lookup.inverse]
            firsts = self._firsts()[self._lookup.inverse]
            hit = where < _NO_PLACE
            hit[hit] = self._rows.equal(self._nodes[hit], self._rows, firsts[hit])
            places[self._nodes[hit]] = where[hit]
        return places.tobytes()

    def _firsts(self) -> NDArray[np.intp]:
        """The first wanted node of each key."""
        return self._nodes[self._lookup.first]


def extend_runs(
    places: Data,
    flags: Data,
    weak: Data,
    strong: Data,
    width: int,
    old_weak: Data,
    old_strong: Data,
    old_width: int,
    /,
) -> bytes:
    """An int32 for each wanted node: its place, or one that follows from a neighbour's, or -1."""
    rows, old = _Rows(weak, strong, width), _Rows(old_weak, old_strong, old_width)
    wanted, packed = as_bytes(flags), as_bytes(places)
    if wanted.size != rows.weak.size or packed.size != 4 * rows.weak.size:
        raise ValueError("flags and places must hold a byte and four for each node")
    at = packed.view("<i4").astype(np.int64)
    if ((at < -1) | (at >= old.weak.size)).any():
        raise ValueError("a place is out of range")
    for side in (1, -1):
        _extend(at[::side], wanted[::side], np.arange(len(at))[::side], rows, old, side)
    return at.astype("<i4").tobytes()


def _extend(
    at: NDArray[np.int64],
    wanted: NDArray[np.uint8],
    nodes: NDArray[np.intp],
    rows: _Rows,
    old: _Rows,
    side: int,
) -> None:
    """Fill in places, a step of ``side`` further from node to node; all columns in that order.

    A node's place follows from that of the last one before it that has one, and counts if all those
    between them fit theirs.
    """
    order = np.arange(len(at))
    known = at >= 0
    anchor = np.maximum.accumulate(np.where(known, order, -1))
    place = at[anchor] + side * (order - anchor)
    fits = (anchor >= 0) & ~known & (wanted != 0) & (place >= 0) & (place < old.weak.size)
    fits[fits] = rows.weak[nodes[fits]] == old.weak[place[fits]]
    fits[fits] = rows.equal(nodes[fits], old, place[fits])
    broken = np.maximum.accumulate(np.where(known | fits, -1, order))
    fits &= broken < anchor
    at[fits] = place[fits]
