"""Ranges are read a window at a time, each leaf once, and blocks are found at their offsets."""

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyzsync.gaps import KeptLeaves, find_blocks, read_ranges
from pyzsync.grid import LEAF, WINDOW
from pyzsync.hashes import hash_level
from pyzsync.kernel import Matcher

DATA = random.Random(8).randbytes(2 * WINDOW + 5 * LEAF + 77)


class File:
    """Leaves of some data; what was read is counted."""

    def __init__(self, data=DATA):
        self.data = data
        self.asked = []

    def read(self, window, leaves):
        self.asked.append((window, leaves))
        at = window * WINDOW
        return b"".join(
            self.data[at + start * LEAF : at + min(stop * LEAF, WINDOW)] for start, stop in leaves
        )


def columns(*ranges):
    return np.array(ranges, dtype=np.int64).reshape(-1, 2).T


def bytes_of(windows):
    return [
        (int(start), each.data[at : at + size])
        for each in windows
        for start, size, at in zip(each.starts, each.sizes, each.at, strict=True)
    ]


def test_ranges_are_cut_at_windows_and_leaves_are_read_once():
    file = File()
    ranges = (5, 90), (100, 600), (5000, 5001), (WINDOW - 10, 2 * WINDOW + 3)
    found = bytes_of(read_ranges(*columns(*ranges), file.read))
    assert [start for start, _ in found] == [5, 100, 5000, WINDOW - 10, WINDOW, 2 * WINDOW]
    assert all(DATA[start : start + len(data)] == data for start, data in found)
    assert sum(len(data) for _, data in found) == sum(stop - start for start, stop in ranges)
    assert file.asked == [
        (0, [(0, 2), (9, 10), (4095, 4096)]),
        (1, [(0, 4096)]),
        (2, [(0, 1)]),
    ]


def test_no_ranges_read_nothing():
    file = File()
    assert list(read_ranges(*columns(), file.read)) == []
    assert file.asked == []


@given(st.sets(st.integers(0, len(DATA)), max_size=40))
def test_any_ranges(cuts):
    ordered = sorted(cuts)[: len(cuts) // 2 * 2]
    ranges = list(zip(ordered[::2], ordered[1::2], strict=True))
    found = bytes_of(read_ranges(*columns(*ranges), File().read))
    expected = b"".join(DATA[start:stop] for start, stop in ranges)
    assert b"".join(data for _, data in found) == expected
    assert all(DATA[start : start + len(data)] == data for start, data in found)


def test_what_is_kept_is_read_once():
    file = File()
    kept = KeptLeaves(file.read, 20 * LEAF)
    runs = [(2, 8), (10, 20)]
    whole = kept.read(0, runs)
    assert whole == File().read(0, runs)
    fewer = [(3, 4), (6, 8), (19, 20)]
    assert kept.read(0, runs) == whole
    assert kept.read(0, fewer) == File().read(0, fewer)
    assert file.asked == [(0, runs)]


def test_what_has_no_room_is_read_again():
    file = File()
    kept = KeptLeaves(file.read, 6 * LEAF)
    for _ in range(2):
        assert kept.read(0, [(0, 7)]) == File().read(0, [(0, 7)])
        assert kept.read(2, [(4, 6)]) == DATA[2 * WINDOW + 4 * LEAF :]  # the last one is short
    assert file.asked == [(0, [(0, 7)]), (2, [(4, 6)]), (0, [(0, 7)])]


@pytest.mark.parametrize(
    ("at", "found"),
    [
        (1000, True),  # within a range
        (WINDOW - 100, True),  # over a window's end
        (2 * WINDOW - LEAF, True),  # up to it
        (5000 - LEAF + 1, False),  # one byte is in no range
        (6999, False),
        (7000, True),
    ],
)
def test_blocks_are_found_in_the_ranges_alone(at, found):
    ranges = columns((300, 5000), (7000, 7000 + LEAF), (WINDOW - 2000, 2 * WINDOW + LEAF))
    wanted = hash_level(DATA[at : at + LEAF], 0)
    matcher = Matcher(wanted.weak.data, wanted.strong.data, wanted.width, LEAF)
    offsets = find_blocks(matcher, LEAF, read_ranges(*ranges, File().read))
    assert offsets.tolist() == [at if found else -1]
