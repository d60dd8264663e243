"""The library's weak sums for blocks of any size: side by side, and rolled over many positions.

A step of one byte is ``sum * B - leaving * B**size + entering``. Over m positions that recurrence
unrolls into a cumulative sum of the differences, each divided by its power of B (B is odd, so it
has an inverse modulo 2**32): numpy rolls without a loop, in memory that the block does not grow.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pyzsync.weak import power, powers, weak_sum

PIECE = 1 << 16  # positions rolled at once: its columns of 256 KiB stay in the second-level cache


def weak_sums(data: bytes | memoryview, size: int) -> NDArray[np.uint32]:
    """The weak sums of the whole blocks of ``size`` bytes that ``data`` is made of, shape (n,)."""
    if size > PIECE:
        view = memoryview(data)
        starts = range(0, len(view), size)
        return np.array([weak_sum(view[at : at + size]) for at in starts], np.uint32)
    rows = np.frombuffer(data, np.uint8).reshape(-1, size)
    sums: NDArray[np.uint32] = rows @ powers(size)[::-1]
    return sums


def roll(
    first: int, size: int, leaving: NDArray[np.uint8], entering: NDArray[np.uint8]
) -> NDArray[np.uint32]:
    """The sums at the m <= PIECE positions after that whose sum is ``first``, shape (m,).

    ``leaving`` and ``entering``, shape (m,), are the bytes that drop out of the block of ``size``
    bytes and come into it.
    """
    count = len(leaving)
    sums = entering - leaving * np.uint32(power(size))
    sums *= powers(PIECE + 1, power(-1))[1 : count + 1]
    np.cumsum(sums, out=sums)
    sums += np.uint32(first)
    sums *= powers(PIECE + 1)[1 : count + 1]
    return sums
