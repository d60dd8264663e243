"""Hashing in the kernel's numpy twin; pyzsync/kernel.py has the contract.

Strong hashes come from the `blake3` package, leaf by leaf: measured at three times the speed of a
BLAKE3 compression written in numpy over all leaves of a window at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from blake3 import blake3
from numpy.typing import NDArray

from pyzsync.grid import FANOUT, LEAF
from pyzsync.weak import as_bytes, power, powers, weak_sum

if TYPE_CHECKING:
    from pyzsync.weak import Data

DIGEST = 32
_LEAF_ROWS = 1 << 10
_MOST_LEVEL = 20


def hash_leaves(data: Data, /) -> tuple[bytes, bytes]:
    """Weak and strong of each leaf of `data`: 4 and 32 bytes a leaf."""
    view = as_bytes(data)
    full = view.size // LEAF
    rows = view[: full * LEAF].reshape(full, LEAF)
    descending = powers(LEAF)[::-1]
    weak = np.empty(-(-view.size // LEAF), "<u4")
    for start in range(0, full, _LEAF_ROWS):
        piece = rows[start : start + _LEAF_ROWS].astype(np.uint32)
        weak[start : start + len(piece)] = np.einsum("ij,j->i", piece, descending)
    weak[full:] = weak_sum(view[full * LEAF :])
    return weak.tobytes(), digests_of(view, LEAF)


def hash_nodes(weak: Data, strong: Data, child_size: int, length: int, /) -> tuple[bytes, bytes]:
    """Weak and strong of the parents of a level whose children cover `length` bytes."""
    sums = sums_of(weak)
    digests = as_bytes(strong)
    if child_size < 1 or length < 0:
        raise ValueError("child_size must be positive and length not negative")
    if sums.size != -(-length // child_size):
        raise ValueError("weak must hold 4 bytes for each child")
    if digests.size != DIGEST * sums.size:
        raise ValueError("strong must hold 32 bytes for each child")
    shift = np.full(sums.size, power(child_size), np.uint32)
    shift[-1:] = power(length - (sums.size - 1) * child_size)
    parents = np.zeros(-(-sums.size // FANOUT), "<u4")
    for child in range(FANOUT):
        column = sums[child::FANOUT]
        head = parents[: column.size]
        head *= shift[child::FANOUT]
        head += column
    return parents.tobytes(), digests_of(digests, FANOUT * DIGEST)


def hash_levels(
    data: Data, base: int, last: int, width: int, /
) -> tuple[bytes, bytes, bytes, bytes]:
    """Weak and cut strong of all nodes of some levels, and two full digests."""
    length = as_bytes(data).size
    if not 0 <= base <= last <= _MOST_LEVEL:
        raise ValueError("levels must be 0 <= base <= last <= 20")
    if not 1 <= width <= DIGEST:
        raise ValueError("width must be 1 to 32")
    if not 0 < length <= LEAF * FANOUT**last:
        raise ValueError("data must have a byte or more, and no more than a node of level last")
    weak, strong = hash_leaves(data)
    sums, digests, apex = [], [], b""
    for level in range(last + 1):
        if level:
            weak, strong = hash_nodes(weak, strong, LEAF * FANOUT ** (level - 1), length)
        if level >= base:
            sums.append(weak)
            digests.append(as_bytes(strong).reshape(-1, DIGEST)[:, :width].tobytes())
        apex = apex or (strong if len(strong) == DIGEST else b"")
    return b"".join(sums), b"".join(digests), strong, apex


def equal_rows(a: Data, b: Data, width: int, /) -> bytes:
    """One byte for each row of `width` bytes: 1 where the rows of `a` and `b` are equal, else 0."""
    left = as_bytes(a)
    right = as_bytes(b)
    if width < 1 or left.size % width:
        raise ValueError("width must be positive and divide the rows")
    if left.size != right.size:
        raise ValueError("a and b must be equally long")
    same: NDArray[np.bool_] = (left == right).reshape(-1, width).all(axis=1)
    return same.tobytes()


def digests_of(view: NDArray[np.uint8], size: int) -> bytes:
    pieces = view.data
    return b"".join([blake3(pieces[at : at + size]).digest() for at in range(0, len(pieces), size)])


def sums_of(weak: Data) -> NDArray[np.uint32]:
    packed = as_bytes(weak)
    if packed.size % 4:
        raise ValueError("weak must hold 4 bytes for each block")
    return packed.view("<u4").astype(np.uint32, copy=False)
