"""Finds wanted blocks at any offset of an old file, in linear time."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from pyzsync.classic.checksums import strong_hash
from pyzsync.classic.rolling import PIECE, roll
from pyzsync.weak import weak_sum

# Strong hashes spent in vain on one weak sum before its blocks are given up (and so are fetched).
# Chance alone needs an old file of some 2**38 bytes to get there; without a limit, crafted data of
# one weak sum and many strong hashes would cost an MD5 at every byte.
MAX_TRIES = 64


class _Sieve:
    """The pending weak sums: a small table of counts in front of their sorted array.

    Nearly every position of an old file ends at the table, which fits a cache.
    """

    def __init__(self, weaks: NDArray[np.uint32]) -> None:
        self.weaks = weaks
        self._pending = np.ones(len(weaks), np.bool_)
        bits = min(max(len(weaks).bit_length() + 5, 12), 22)
        self._mask = np.uint32((1 << bits) - 1)
        counts = np.bincount(self.weaks & self._mask, minlength=1 << bits)
        self._table = np.minimum(counts, 255).astype(np.uint8)

    def candidates(self, sums: NDArray[np.uint32]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """The positions of pending weak sums in ``sums``, each with its index in ``weaks``."""
        hits = np.flatnonzero(self._table[sums & self._mask] != 0)
        found = sums[hits]
        keys = np.minimum(np.searchsorted(self.weaks, found), len(self.weaks) - 1)
        good = (self.weaks[keys] == found) & self._pending[keys]
        return hits[good], keys[good]

    def remove(self, key: int) -> None:
        """Stop looking for the weak sum at this index."""
        self._pending[key] = False
        slot = self.weaks[key] & self._mask
        if self._table[slot] < 255:  # a full counter has lost count: it stays, and only costs time
            self._table[slot] -= 1


class Finder:
    """Looks for blocks of one size; ``places`` tells where each strong hash was found, or -1.

    ``wanted`` maps strong hashes to weak sums. ``pending`` weak sums are still looked for,
    ``hashed`` counts the strong hashes computed. Invariant: once there is a sum, it is that of the
    block at offset ``at`` of the old file, which has been looked at.
    """

    def __init__(self, size: int, wanted: Mapping[bytes, int]) -> None:
        self.size = size
        self.places = dict.fromkeys(wanted, -1)
        column = np.fromiter(wanted.values(), np.uint32, len(wanted))
        weaks, counts = np.unique(column, return_counts=True)
        self._sieve = _Sieve(weaks)
        self._missing: list[int] = counts.tolist()
        self._tries = [MAX_TRIES] * len(weaks)
        self._sum: int | None = None
        self.at = 0
        self.pending = len(weaks)
        self.hashed = 0

    def advance(self, data: bytearray, base: int) -> None:
        """Look at every block that lies in ``data``, the old file's bytes from ``base`` on."""
        if self._sum is None:
            if len(data) < self.size:
                return
            with memoryview(data) as view:
                self._sum = weak_sum(view[: self.size])
            self._look(np.array([self._sum], np.uint32), 0, data, base)
        while self.pending:
            start = self.at - base
            count = min(len(data) - self.size - start, PIECE)
            if count <= 0:
                return
            leaving = np.frombuffer(data, np.uint8, count, start)
            entering = np.frombuffer(data, np.uint8, count, start + self.size)
            sums = roll(self._sum, self.size, leaving, entering)
            self._look(sums, start + 1, data, base)
            self._sum = int(sums[-1])
            self.at += count

    def _look(self, sums: NDArray[np.uint32], start: int, data: bytearray, base: int) -> None:
        hits, keys = self._sieve.candidates(sums)
        if not len(hits):
            return
        order = np.argsort(keys, kind="stable")  # the positions of one weak sum side by side
        starts: list[int] = (hits[order] + start).tolist()
        keys, firsts = np.unique(keys[order], return_index=True)
        bounds = [*firsts.tolist(), len(starts)]
        with memoryview(data) as view:
            for group, key in enumerate(keys.tolist()):
                self._try(key, starts[bounds[group] : bounds[group + 1]], view, base)

    def _try(self, key: int, starts: list[int], view: memoryview, base: int) -> None:
        for start in starts:
            strong = strong_hash(view[start : start + self.size])
            self.hashed += 1
            if self.places.get(strong) == -1:
                self.places[strong] = base + start
                self._missing[key] -= 1
            else:
                self._tries[key] -= 1
            if not self._missing[key] or not self._tries[key]:
                self._sieve.remove(key)
                self.pending -= 1
                return
