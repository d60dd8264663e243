import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyzsync.errors import BadDelta
from pyzsync.steps import (
    HEADER_SIZE,
    MAX_STEPS,
    Steps,
    columns_size,
    decode_steps,
    encode_steps,
)
from pyzsync_daemon.compression import zstd


def make(*steps):
    return Steps(*(np.array(column, dtype=np.int64) for column in zip(*steps, strict=True)))


def rows(steps):
    return list(
        zip(steps.source.tolist(), steps.copied.tolist(), steps.literal.tolist(), strict=True)
    )


def decode(packed, old_length, new_length):
    return decode_steps(packed[:HEADER_SIZE], packed[HEADER_SIZE:], old_length, new_length)


def test_golden_bytes():
    packed = encode_steps(make((0, 100, 2), (72, 50, 0)))
    assert packed == bytes.fromhex("02000000 010101 0037 6432 0200")
    assert rows(decode(packed, 122, 152)) == [(0, 100, 2), (72, 50, 0)]


def test_what_the_columns_say():
    steps = make((0, 100, 2), (72, 50, 0))
    assert (steps.copied_bytes, steps.literal_bytes) == (150, 2)
    assert steps.starts.tolist() == [0, 102]
    assert len(steps) == 2


@given(
    st.lists(
        st.tuples(st.integers(0, 10**12), st.integers(1, 10**9), st.integers(1, 10**9)),
        min_size=1,
        max_size=20,
    )
)
def test_there_and_back(lines):
    steps = make(*lines)
    new_length = steps.copied_bytes + steps.literal_bytes
    assert rows(decode(encode_steps(steps), 10**12 + 10**9, new_length)) == lines


def test_eighty_thousand_steps_cost_about_a_byte_each():
    """Like those of a kernel source archive: literals of one leaf, copies of some, no jumps."""
    random = np.random.default_rng(7)
    copied = 512 * random.geometric(0.03, 80_000).astype(np.int64)
    literal = np.full(80_000, 512, dtype=np.int64)
    source = np.cumsum(copied + literal) - copied - literal
    packed = encode_steps(Steps(source, copied, literal))
    assert len(zstd.compress(packed, 9)) < 120_000  # its literals are 2 MB compressed


@pytest.mark.parametrize(
    ("steps", "old_length", "new_length", "reason"),
    [
        ([(0, 10, 5)], 10, 14, "its steps make 15 bytes, not 14"),
        ([(0, 10, 5)], 9, 15, "a copy is outside the 9 bytes of the old version"),
        ([(0, 5, 5), (0, 0, 5)], 10, 15, "a step copies nothing"),
        ([(3, 0, 5)], 10, 5, "a step copies nothing"),
        ([(0, 5, 0), (5, 5, 0)], 10, 10, "a copy goes on where the one before it ends"),
        ([(0, 0, 0), (5, 5, 0)], 10, 5, "a step makes nothing"),
        ([(0, 20, 0)], 20, 10, "a step is longer than the new version"),
    ],
)
def test_what_is_not_a_delta(steps, old_length, new_length, reason):
    with pytest.raises(BadDelta) as caught:
        decode(encode_steps(make(*steps)), old_length, new_length)
    assert caught.value.reason == reason


@pytest.mark.parametrize(
    ("packed", "reason"),
    [
        (b"\1\0\0", "its header is cut off"),
        (struct.pack("<I3B", MAX_STEPS + 1, 0, 0, 0), f"it has {MAX_STEPS + 1} steps"),
        (struct.pack("<I3B", 1, 9, 0, 0), "a column has more planes"),
        (struct.pack("<I3B", 1, 1, 1, 1) + b"\0\1", "its columns are cut off"),
        (struct.pack("<I3B", 1, 0, 2, 0) + b"\5\0", "a plane of zeros too many"),
        (struct.pack("<I3B", 1, 0, 8, 0) + 8 * b"\xff", "a number is beyond 63 bits"),
    ],
)
def test_crafted_bytes_are_refused_before_anything_is_allocated(packed, reason):
    with pytest.raises(BadDelta, match=reason):
        decode(packed, 100, 100)


def test_columns_that_overflow_together_are_refused():
    big = (1 << 62).to_bytes(8, "little")
    column = b"".join(bytes([byte] * 4) for byte in big)
    packed = struct.pack("<I3B", 4, 0, 8, 0) + column
    with pytest.raises(BadDelta):
        decode(packed, 2**63 - 1, 0)
    with pytest.raises(BadDelta, match="its steps make"):
        decode(packed, 2**63 - 1, 2**63 - 1)


def test_the_columns_size_is_known_from_the_header():
    packed = encode_steps(make((0, 100, 2), (72, 50, 0)))
    assert columns_size(packed[:HEADER_SIZE]) == len(packed) - HEADER_SIZE


@given(st.binary(max_size=80))
def test_any_bytes_decode_or_are_refused(packed):
    try:
        steps = decode(packed, 1000, 1000)
    except BadDelta:
        return
    assert encode_steps(steps) == packed
