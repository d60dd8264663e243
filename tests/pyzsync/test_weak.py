"""The weak sum against its definition."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyzsync import weak


def horner(data: bytes) -> int:
    total = 0
    for byte in data:
        total = (total * weak.B + byte) % 2**32
    return total


@given(st.binary(max_size=2000))
def test_sum_is_the_polynomial(data):
    assert weak.weak_sum(data) == horner(data)


def test_sum_of_more_than_one_piece():
    data = np.random.default_rng(1).integers(0, 256, 3 * 65536 + 17, np.uint8)
    assert weak.weak_sum(data) == horner(data.tobytes())


@pytest.mark.parametrize(
    ("data", "expected"),
    [(b"", 0), (b"a", 0x61), (b"ab", 0x152C7437), (bytes(512), 0), (b"\xff" * 512, 0x830C3200)],
)
def test_golden_sums(data, expected):
    assert weak.weak_sum(data) == expected


@given(st.binary(max_size=300), st.binary(max_size=300))
def test_compose(left, right):
    composed = weak.compose(weak.weak_sum(left), weak.weak_sum(right), len(right))
    assert composed == weak.weak_sum(left + right)


def test_compose_columns_is_compose_for_each_row():
    rng = np.random.default_rng(2)
    left, right = rng.integers(0, 2**32, (2, 50), np.uint32)
    composed = weak.compose_columns(left, right, 2048)
    assert composed.dtype == np.uint32
    pairs = zip(left.tolist(), right.tolist(), strict=True)
    assert composed.tolist() == [weak.compose(a, b, 2048) for a, b in pairs]


@given(st.binary(min_size=2, max_size=200))
def test_rolls_by_one_byte(data):
    size = len(data) - 1
    rolled = weak.weak_sum(data[:-1]) * weak.B + data[-1] - data[0] * weak.power(size)
    assert rolled % 2**32 == weak.weak_sum(data[1:])


@given(st.integers(0, 2**40))
def test_powers_of_the_inverse_undo_powers(exponent):
    assert weak.power(exponent) * weak.power(-exponent) % 2**32 == 1


@pytest.mark.parametrize("base", [weak.B, weak.power(-1)])
def test_powers_table(base):
    assert weak.powers(9, base).tolist() == [pow(base, i, 2**32) for i in range(9)]
    assert weak.powers(0, base).tolist() == []


def test_powers_table_is_kept_and_cannot_be_changed():
    table = weak.powers(10)
    assert weak.powers(10) is table
    with pytest.raises(ValueError, match="read-only"):
        table[0] = 2


@pytest.mark.parametrize(
    "data",
    [b"abcd", bytearray(b"abcd"), memoryview(b"abcd"), np.frombuffer(b"abcd", "<u2").reshape(2, 1)],
)
def test_as_bytes_takes_any_buffer(data):
    assert weak.as_bytes(data).tobytes() == b"abcd"
