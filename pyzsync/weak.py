"""The weak sum: a polynomial over the bytes of a block, modulo 2**32.

    S(b_0 .. b_(n-1)) = b_0 * B**(n-1) + b_1 * B**(n-2) + .. + b_(n-1)

It rolls by one byte, and the sum of two neighbours follows from their sums (`compose`), so that a
node's weak comes from its children's. It is Karp and Rabin's fingerprint (1987) with a machine word
as its modulus; unlike Adler's sum it neither clusters on text at 512 B nor breaks at 64 KiB. B is
odd and so has an inverse, which lets numpy roll by prefix sums.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from typing import Any

    from typing_extensions import Buffer

    # numpy's stubs call an array a buffer only from Python 3.12 on.
    Data = Buffer | NDArray[Any]

B = 0x915F77F5
"""From Steele and Vigna, "Computationally easy, spectrally good multipliers" (2021)."""

MODULUS = 1 << 32

_PIECE = 1 << 16


def as_bytes(data: Data) -> NDArray[np.uint8]:
    """The bytes of a contiguous buffer, shape (n,), not copied."""
    return np.frombuffer(data if isinstance(data, np.ndarray) else memoryview(data), np.uint8)


def power(exponent: int) -> int:
    """B**exponent modulo 2**32; a negative exponent means powers of B's inverse."""
    return pow(B, exponent, MODULUS)


@cache
def powers(count: int, base: int = B) -> NDArray[np.uint32]:
    """base**0 .. base**(count-1) modulo 2**32, shape (count,); read-only, since it is kept."""
    table = np.full(count, base % MODULUS, np.uint32)
    table[:1] = 1
    np.cumprod(table, dtype=np.uint32, out=table)
    table.flags.writeable = False
    return table


def weak_sum(data: Data) -> int:
    """The weak sum of all bytes of `data`; 0 for none."""
    view = as_bytes(data)
    descending = powers(_PIECE)[::-1]
    total = 0
    for start in range(0, view.size, _PIECE):
        piece = view[start : start + _PIECE]
        own = np.einsum("i,i->", piece.astype(np.uint32), descending[-piece.size :])
        total = compose(total, int(own), piece.size)
    return total


def compose(left: int, right: int, len_right: int) -> int:
    """The sum of two neighbouring blocks from their sums and the right one's length in bytes."""
    return (left * power(len_right) + right) % MODULUS


def compose_columns(
    left: NDArray[np.uint32], right: NDArray[np.uint32], len_right: int
) -> NDArray[np.uint32]:
    """`compose` for arrays of one shape: every pair's right block is `len_right` bytes long."""
    return left * np.uint32(power(len_right)) + right
