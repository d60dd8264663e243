"""The matcher of the kernel's numpy twin; pyzsync/kernel.py has the contract."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING, final

import numpy as np
from numpy.typing import NDArray

from pyzsync._numpy_hashes import DIGEST, digests_of, sums_of
from pyzsync.grid import FANOUT, LEAF
from pyzsync.weak import MODULUS, B, as_bytes, power, powers, weak_sum

if TYPE_CHECKING:
    from pyzsync.weak import Data

_GIVE_UP = 64
_GIVE_UP_SHIFT = 30
_VAIN = 16
_VAIN_RATIO = 8
_VAIN_SHIFT = 31
_CROWD = 8
_MAX_WANTED = 2**31 - 1
_MAX_OFFSET = 2**63 - 1
# Positions rolled at once: the slice's few uint32 arrays stay in the second-level cache.
_SLICE = 1 << 16
# Candidates made into Python numbers at once; those that a match before them overlaps are left out.
_CHUNK = 512


def _level(block: int) -> int:
    level, size = 0, LEAF
    while size < block:
        level, size = level + 1, size * FANOUT
    if size != block:
        raise ValueError("block must be a leaf's size times a power of the fanout")
    return level


def _changes(rows: NDArray[np.generic]) -> NDArray[np.bool_]:
    """True for each row that differs from the one before it; the first does."""
    out = np.ones(len(rows), np.bool_)
    differ = rows[1:] != rows[:-1]
    out[1:] = differ if differ.ndim == 1 else differ.any(axis=1)
    return out


def _order(sums: NDArray[np.uint32], rows: NDArray[np.uint8]) -> NDArray[np.uint32]:
    """The indices of the wanted blocks in the order of (weak, strong)."""
    order = np.argsort(sums, kind="stable").astype(np.uint32)
    new = _changes(sums[order])
    crowded = ~(new & np.append(new[1:], True))
    some = order[crowded]
    keys = rows[some].view(f"S{rows.shape[1]}").ravel()
    order[crowded] = some[np.lexsort((keys, sums[some]))]
    return order


@dataclass(slots=True)
class _Scan:
    view: NDArray[np.uint8]
    found: NDArray[np.bool_]  # which distinct blocks count as found
    open: NDArray[np.bool_]  # which groups are looked for
    finds: dict[int, int]  # the position of each distinct block found by this call, by its place
    failed: Counter[int]  # windows that were none of a group's blocks
    vain: int = 0  # all of those
    hashed: int = 0


@final
class Matcher:
    """The rolling search for wanted blocks.

    Wanted blocks with equal weak and equal strong are one distinct block. These lie in the order of
    (weak, strong), so that a run of equal sums is a group. All are found by bisection, so that no
    crafted set of hashes makes a long chain.
    """

    def __init__(self, weak: Data, strong: Data, width: int, block: int, /) -> None:
        sums = sums_of(weak)
        if not 1 <= width <= DIGEST:
            raise ValueError("width must be 1 to 32")
        rows = as_bytes(strong)
        if rows.size != width * sums.size:
            raise ValueError("strong must hold width bytes for each block")
        if sums.size > _MAX_WANTED:
            raise ValueError("too many wanted blocks")
        self._levels, self._block, self._width = _level(block), block, width
        rows = rows.reshape(-1, width)
        order = _order(sums, rows)
        ordered = sums[order]
        new = _changes(ordered) | _changes(rows[order])
        self._which = np.empty(sums.size, np.intp)
        self._which[order] = np.cumsum(new) - 1
        self._sample = order[new]
        self._strong = as_bytes(strong).data
        self._group_sum, starts = np.unique(ordered[new], return_index=True)
        self._group_start = np.append(starts, self._sample.size)
        self._where = np.full(self._sample.size, _MAX_OFFSET, np.int64)
        bits = min(max((64 * starts.size).bit_length(), 16), 24)
        self._shift = 32 - bits
        self._filter = np.zeros(1 << bits, np.bool_)
        self._filter[self._group_sum >> np.uint32(self._shift)] = True
        self._lock = Lock()  # held while a scan's finds are taken over
        self.pending = self._sample.size
        self._vain_ratio = _VAIN_RATIO + (self.pending * block >> _VAIN_SHIFT)
        self.hashed = 0

    def scan(self, data: Data, base: int, done: int = -1, /) -> None:
        """Try the windows of `data`, whose first byte has offset `base`.

        What lies before offset `done` (if negative: before `base`) has been scanned.
        """
        view = as_bytes(data)
        self._check_base(view, base)
        positions = view.size - self._block + 1
        if positions <= 0 or not self._sample.size:
            return
        found = self._where < (base if done < 0 else done)
        scan = _Scan(view, found, self._open_groups(found), {}, Counter())
        self._scan(scan, positions)
        with self._lock:
            for place, position in scan.finds.items():
                self.pending -= self._where[place] == _MAX_OFFSET
                self._where[place] = min(self._where[place], base + position)
            self.hashed += scan.hashed

    def scan_ranges(self, data: Data, base: int, ranges: Data, done: int = -1, /) -> None:
        """Scan each of some ranges of offsets (int64: start, stop), all in `data`, by itself."""
        view = as_bytes(data)
        self._check_base(view, base)
        packed = as_bytes(ranges)
        if packed.size % 16:
            raise ValueError("ranges must hold 16 bytes for each range")
        rows = packed.view("<i8").reshape(-1, 2)
        if (rows[:, 0] < base).any() or (rows[:, 1] < rows[:, 0]).any():
            raise ValueError("a range must not begin before base, nor end before it begins")
        for start, stop in rows.tolist():
            if start - base < view.size:
                self.scan(view[start - base : stop - base], start, done)

    def offsets(self) -> bytes:
        """An int64 for each wanted block: the least offset where it was found, or -1."""
        with self._lock:
            where = self._where[self._which]
        where[where == _MAX_OFFSET] = -1
        return where.astype("<i8", copy=False).tobytes()

    @staticmethod
    def _check_base(view: NDArray[np.uint8], base: int) -> None:
        if not 0 <= base <= _MAX_OFFSET - view.size:
            raise ValueError("base must not be negative, nor base + len(data) exceed 2**63 - 1")

    def _scan(self, scan: _Scan, positions: int) -> None:
        view = scan.view
        first, free = weak_sum(view[: self._block]), 0
        for start in range(0, positions, _SLICE):
            count = min(_SLICE, positions - start)
            sums = self._roll(view, start, count, first)
            free = self._try(scan, start, sums, free)
            if start + count < positions:
                last = start + count - 1
                gone = int(view[last]) * power(self._block)
                first = (int(sums[-1]) * B + int(view[last + self._block]) - gone) % MODULUS

    def _roll(
        self, view: NDArray[np.uint8], start: int, count: int, first: int
    ) -> NDArray[np.uint32]:
        """The sums of the windows at `start`.. of which the first's is `first`, shape (count,).

        S(i+1) = S(i)*B + d(i), so S(i) = B**i * (S(0) + sum of d(j) * B**-(j+1) for j < i).
        """
        stop = start + count - 1
        sums = np.empty(count, np.uint32)
        sums[0] = first
        steps = sums[1:]
        factor = np.uint32(-power(self._block) % MODULUS)
        np.multiply(view[start:stop], factor, out=steps, dtype=np.uint32)
        steps += view[start + self._block : stop + self._block]
        steps *= powers(_SLICE, power(-1))[1:count]
        np.cumsum(sums, dtype=np.uint32, out=sums)
        sums *= powers(_SLICE)[:count]
        return sums

    def _try(self, scan: _Scan, start: int, sums: NDArray[np.uint32], free: int) -> int:
        """Check the windows whose sum is wanted; the first position that no match hides."""
        hits, groups = self._wanted(sums)
        for at in range(0, hits.size, _CHUNK):
            keep = scan.open[groups[at : at + _CHUNK]]
            keep &= hits[at : at + _CHUNK] + start >= free
            places = (hits[at : at + _CHUNK][keep] + start).tolist()
            members = groups[at : at + _CHUNK][keep].tolist()
            for position, group in zip(places, members, strict=True):
                if position >= free and self._check(scan, position, group):
                    free = self._follow(scan, position, start, sums) + 1
        return free

    def _wanted(self, sums: NDArray[np.uint32]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Which of the sums are wanted, and their groups."""
        hits = np.flatnonzero(self._filter[(sums >> np.uint32(self._shift)).astype(np.intp)])
        groups = np.searchsorted(self._group_sum, sums[hits])
        groups[groups == self._group_sum.size] = 0
        same = self._group_sum[groups] == sums[hits]
        return hits[same], groups[same]

    def _follow(self, scan: _Scan, match: int, start: int, sums: NDArray[np.uint32]) -> int:
        """Try block after block behind a match while they are wanted; the last one's position."""
        while match + 2 * self._block <= scan.view.size:
            after = match + self._block
            known = sums[after - start : after - start + 1]
            if not known.size:
                window = scan.view[after : after + self._block]
                known = np.array([weak_sum(window)], np.uint32)
            groups = self._wanted(known)[1].tolist()
            if not (groups and self._check(scan, after, groups[0])):
                break
            match = after
        return match

    def _check(self, scan: _Scan, position: int, group: int) -> bool:
        """Hash the window, unless too much was hashed in vain; is it wanted?"""
        if not scan.open[group] or scan.vain >= _VAIN + position // self._block * self._vain_ratio:
            return False
        if scan.failed[group] >= _GIVE_UP + (position >> _GIVE_UP_SHIFT):
            return False
        start, stop = self._group_start[group : group + 2].tolist()
        scan.hashed += 1
        digest = self._digest(scan.view[position : position + self._block])
        place = bisect_left(range(stop), digest, start, stop, key=self._strong_at)
        unknown = place == stop or self._strong_at(place) != digest
        if unknown or scan.found[place]:
            scan.failed[group] += 1
            scan.vain += 1
            return False
        scan.finds[place] = position
        scan.found[place] = True
        if scan.found[start:stop].all() and stop - start <= _CROWD:
            scan.open[group] = False
        return True

    def _open_groups(self, found: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Which groups have a block that is looked for? A crowd is never looked through."""
        starts, sizes = self._group_start[:-1], np.diff(self._group_start)
        missing: NDArray[np.bool_] = np.logical_or.reduceat(~found, starts)
        return missing | (sizes > _CROWD)

    def _digest(self, block: NDArray[np.uint8]) -> bytes:
        digests = digests_of(block, LEAF)
        for _ in range(self._levels):
            digests = digests_of(as_bytes(digests), FANOUT * DIGEST)
        return digests[: self._width]

    def _strong_at(self, place: int) -> bytes:
        start = int(self._sample[place]) * self._width
        return bytes(self._strong[start : start + self._width])
