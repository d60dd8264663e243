"""Sets of indices as runs: half-open ``(start, stop)`` pairs, ascending and never adjacent.

There is one run list for every set, so run lists can be compared, cached and used as names.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Runs = list[tuple[int, int]]
Mask = NDArray[np.bool_]


def runs_of(mask: Mask) -> Runs:
    """The indices at which ``mask`` is true."""
    edges = np.flatnonzero(np.diff(mask.astype(np.int8), prepend=0, append=0))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))


def mask_of(runs: Sequence[tuple[int, int]], size: int) -> Mask:
    """The set as a mask of ``size`` flags; ValueError unless the runs are well formed within it."""
    mask = np.zeros(size, dtype=np.bool_)
    end = -1
    for start, stop in runs:
        if not end < start < stop <= size:
            raise ValueError(f"run {start}..{stop} is out of order or outside 0..{size}")
        mask[start:stop] = True
        end = stop
    return mask
