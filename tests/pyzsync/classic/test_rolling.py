import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pyzsync.classic.rolling import PIECE, roll, weak_sums
from pyzsync.weak import weak_sum


@given(st.binary(min_size=1, max_size=60), st.integers(1, 20))
def test_rolling_gives_what_summing_gives(data, size):
    if size > len(data):
        return
    column = np.frombuffer(data, np.uint8)
    rolled = roll(weak_sum(data[:size]), size, column[: len(data) - size], column[size:])
    expected = [weak_sum(data[at : at + size]) for at in range(1, len(data) - size + 1)]
    assert rolled.tolist() == expected


@given(st.binary(max_size=60), st.integers(1, 20))
def test_sums_side_by_side(data, size):
    whole = data[: len(data) - len(data) % size]
    expected = [weak_sum(whole[at : at + size]) for at in range(0, len(whole), size)]
    assert weak_sums(whole, size).tolist() == expected


def test_a_whole_piece_and_blocks_beyond_one():
    data = np.random.default_rng(1).integers(0, 256, 2 * PIECE + 10, np.uint8).tobytes()
    size = PIECE + 5
    column = np.frombuffer(data, np.uint8)
    rolled = roll(weak_sum(data[:size]), size, column[:PIECE], column[size : size + PIECE])
    assert int(rolled[-1]) == weak_sum(data[PIECE : PIECE + size])
    assert weak_sums(data, size).tolist() == [weak_sum(data[:size]), weak_sum(data[size:])]


def test_sums_stay_within_32_bits():
    sums = weak_sums(b"\xff" * (1 << 18), 1 << 17)
    assert sums.dtype == np.uint32
