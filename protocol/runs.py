"""Sets of node or leaf indices within a window, as runs.

A run set is ``[(start, stop), ...]``, half open, ascending, not empty and not adjacent. Coded, each
run is two LEB128 varints: the gap since the stop of the run before (since 0 for the first) and the
count of indices. Each set has exactly one coded form, because coded sets are cache keys: varints
are the shortest possible, counts are at least 1, and so is every gap but the first.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from protocol.errors import BadMessage
from protocol.limits import MAX_RUN_SET, WINDOW_NODES

Runs = list[tuple[int, int]]

_WHERE = "run set"


def encode(runs: Iterable[tuple[int, int]]) -> bytes:
    """Code runs; ValueError if they are not ascending, apart and at least one index long."""
    coded = bytearray()
    end = -1  # so that only the first run may start where the one before it stopped
    for start, stop in runs:
        if start <= end or stop <= start:
            raise ValueError(f"run ({start}, {stop}) after {end}: not ascending, apart and filled")
        _put(coded, start - max(end, 0))
        _put(coded, stop - start)
        end = stop
    return bytes(coded)


def whole(count: int) -> bytes:
    """All of the indices below ``count``."""
    return encode([(0, count)]) if count else b""


def decode(data: bytes, limit: int = WINDOW_NODES) -> Runs:
    """The runs of a coded set of indices below ``limit``; BadMessage if it is not canonical."""
    numbers = _numbers(data, limit)
    runs: Runs = []
    end = 0
    for gap, length in zip(numbers[::2], numbers[1::2], strict=True):
        start = end + gap
        end = start + length
        runs.append((start, end))
    return runs


def count(data: bytes, limit: int = WINDOW_NODES) -> int:
    """How many indices a coded set has; checks it just as ``decode`` does."""
    return sum(_numbers(data, limit)[1::2])


def covers(outer: Runs, inner: Runs) -> bool:
    """Whether every index of ``inner`` is in ``outer``."""
    candidates = iter(outer)
    start, stop = 0, 0
    for low, high in inner:
        while stop < high:
            following = next(candidates, None)
            if following is None:
                return False
            start, stop = following
        if low < start:
            return False
    return True


def _put(coded: bytearray, number: int) -> None:
    while number > 0x7F:
        coded.append(number & 0x7F | 0x80)
        number >>= 7
    coded.append(number)


def _numbers(data: bytes, limit: int) -> Sequence[int]:
    """Gaps and lengths in turn, checked. Sums and searches run at the speed of C, and bytes below
    128 are varints as they stand, so that a busy hub checks requests cheaply."""
    if len(data) > MAX_RUN_SET:
        raise BadMessage(_WHERE, f"is longer than {MAX_RUN_SET} bytes")
    numbers = data if data.isascii() else _varints(data)
    if len(numbers) % 2:
        raise BadMessage(_WHERE, "ends after a gap")
    if 0 in numbers[1::2] or 0 in numbers[2::2]:
        raise BadMessage(_WHERE, "has a run that is empty or not apart from the one before it")
    if sum(numbers) > limit:
        raise BadMessage(_WHERE, f"names index {sum(numbers) - 1}, but the last is {limit - 1}")
    return numbers


def _varints(data: bytes) -> list[int]:
    numbers: list[int] = []
    number = shift = 0
    for byte in data:
        number |= (byte & 0x7F) << shift
        if byte > 0x7F:
            shift += 7
            if shift > 14:
                raise BadMessage(_WHERE, "has a varint of more than three bytes")
            continue
        if not byte and shift:
            raise BadMessage(_WHERE, "has a varint that is longer than it need be")
        numbers.append(number)
        number = shift = 0
    if shift:
        raise BadMessage(_WHERE, "ends inside a varint")
    return numbers
