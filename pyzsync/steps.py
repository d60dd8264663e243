"""The steps of a delta, and their coded form: columns of byte planes.

A step copies a range of the old version and then appends a literal. Columns compress well as
planes (all lowest bytes, then all second ones, ..): on two kernel source archives 80,000 steps cost
one byte each, a fifth less than varints.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from pyzsync.errors import BadDelta

if TYPE_CHECKING:
    from typing_extensions import Buffer

Column = NDArray[np.int64]

MAX_STEPS: Final = 1 << 20
"""A change in more pieces is cheaper to fetch by windows; a reader's columns take 24 MiB."""

_HEADER = struct.Struct("<I3B")  # steps; planes of each column
_PLANES: Final = 8

HEADER_SIZE: Final = _HEADER.size


@dataclass(frozen=True, slots=True, eq=False)
class Steps:
    """Columns of n steps: ``copied`` old bytes from ``source``, then ``literal`` new ones."""

    source: Column
    copied: Column
    literal: Column

    def __len__(self) -> int:
        return len(self.source)

    @property
    def starts(self) -> Column:
        """Where in the new version each step begins."""
        sizes = self.copied + self.literal
        starts: Column = np.cumsum(sizes) - sizes
        return starts

    @property
    def copied_bytes(self) -> int:
        """Bytes that come from the old version."""
        return int(self.copied.sum())

    @property
    def literal_bytes(self) -> int:
        """Bytes that travel."""
        return int(self.literal.sum())


def encode_steps(steps: Steps) -> bytes:
    """Header and columns: sources as zigzag differences from the end of the copy before."""
    jumps = steps.source - np.append(0, (steps.source + steps.copied)[:-1])[: len(steps)]
    columns = [_zigzag(jumps), steps.copied.astype(np.uint64), steps.literal.astype(np.uint64)]
    widths = [_width(column) for column in columns]
    planes = [
        column.astype("<u8").view(np.uint8).reshape(-1, _PLANES)[:, :width].T.tobytes()
        for column, width in zip(columns, widths, strict=True)
    ]
    return _HEADER.pack(len(steps), *widths) + b"".join(planes)


def columns_size(header: Buffer) -> int:
    """How many bytes of columns follow a header. Raises ``BadDelta`` if it is out of bounds."""
    view = memoryview(header)
    if view.nbytes != HEADER_SIZE:
        raise BadDelta("its header is cut off")
    count, *widths = _HEADER.unpack(view)
    if count > MAX_STEPS:
        raise BadDelta(f"it has {count} steps, more than {MAX_STEPS}")
    if max(widths) > _PLANES:
        raise BadDelta("a column has more planes than a number has bytes")
    size: int = count * sum(widths)
    return size


def decode_steps(header: Buffer, columns: Buffer, old_length: int, new_length: int) -> Steps:
    """The steps that turn ``old_length`` bytes into ``new_length``; each one is checked.

    Raises ``BadDelta`` unless all copies lie within the old bytes, the steps make exactly the new
    length, and they are in their one form (see ``protocol/SPEC.md``, "Delta").
    """
    if memoryview(columns).nbytes != columns_size(header):
        raise BadDelta("its columns are cut off")
    count, *widths = _HEADER.unpack(memoryview(header))
    packed = np.frombuffer(memoryview(columns), np.uint8)
    numbers = []
    for width in widths:
        numbers.append(_unplane(packed[: count * width], count, width))
        packed = packed[count * width :]
    jumps, copied, literal = numbers
    ends = np.cumsum(_unzigzag(jumps) + copied)
    steps = Steps(ends - copied, copied, literal)
    _check(steps, ends, old_length, new_length)
    return steps


def _check(steps: Steps, ends: Column, old_length: int, new_length: int) -> None:
    copied, literal = steps.copied, steps.literal
    if (copied > new_length).any() or (literal > new_length).any():
        raise BadDelta("a step is longer than the new version")
    # As Python's numbers: crafted columns may add up to more than 64 bits.
    total = sum(copied.tolist()) + sum(literal.tolist())
    if total != new_length:
        raise BadDelta(f"its steps make {total} bytes, not {new_length}")
    if (steps.source < 0).any() or (ends < steps.source).any() or (ends > old_length).any():
        raise BadDelta(f"a copy is outside the {old_length} bytes of the old version")
    if (copied[1:] == 0).any() or (len(steps) and not copied[0] and steps.source[0]):
        raise BadDelta("a step copies nothing")
    if ((literal[:-1] == 0) & (ends[:-1] == steps.source[1:]) & (copied[:-1] > 0)).any():
        raise BadDelta("a copy goes on where the one before it ends")
    if len(steps) and not copied[0] and not literal[0]:
        raise BadDelta("a step makes nothing")


def _zigzag(values: Column) -> NDArray[np.uint64]:
    return ((values << 1) ^ (values >> 63)).astype(np.uint64)


def _unzigzag(values: Column) -> Column:
    return (values >> 1) ^ -(values & 1)


def _width(column: NDArray[np.uint64]) -> int:
    """Bytes that the largest number needs; none if all are 0."""
    return -(-int(column.max(initial=0)).bit_length() // 8)


def _unplane(packed: NDArray[np.uint8], count: int, width: int) -> Column:
    rows = np.zeros((count, _PLANES), np.uint8)
    planes = packed.reshape(width, count)
    rows[:, :width] = planes.T
    if count and width and not planes[-1].any():
        raise BadDelta("a column has a plane of zeros too many")
    numbers = rows.view("<i8")[:, 0]
    if (numbers < 0).any():
        raise BadDelta("a number is beyond 63 bits")
    return numbers.astype(np.int64, copy=False)
