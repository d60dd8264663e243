import numpy as np
import pytest

from pyzsync.blueprint import Blueprint, Copy
from pyzsync.grid import LEAF, WINDOW


def ints(*numbers):
    return np.array(numbers, dtype=np.int64)


def test_all_is_missing_at_first():
    blueprint = Blueprint(WINDOW + 700)
    assert (blueprint.reused_bytes, blueprint.missing_bytes) == (0, WINDOW + 700)
    assert [blueprint.missing(w) for w in (0, 1)] == [[(0, 4096)], [(0, 2)]]
    assert [blueprint.copies(w) for w in (0, 1)] == [[], []]
    assert blueprint.steps == {"compare": 0, "slide": 0, "roll": 0}
    empty = Blueprint(0)
    assert (empty.reused_bytes, empty.missing_bytes, len(empty.unmatched(0))) == (0, 0, 0)


def test_fill_counts_bytes_once_and_under_the_step_that_found_them():
    blueprint = Blueprint(10 * LEAF + 100)
    assert blueprint.fill("compare", 0, ints(0, 10), ints(0, 5120)) == LEAF + 100
    assert blueprint.fill("slide", 1, ints(0, 2), ints(7000, 9000)) == 3 * LEAF + 2 * LEAF
    assert blueprint.fill("roll", 0, ints(0), ints(1)) == 0
    assert blueprint.steps == {"compare": LEAF + 100, "slide": 5 * LEAF, "roll": 0}
    assert blueprint.reused_bytes == 6 * LEAF + 100
    assert blueprint.missing_bytes == 4 * LEAF
    assert blueprint.source[:4].tolist() == [0, 7512, 8024, 8536]
    assert blueprint.missing(0) == [(4, 8)]


def test_unmatched_nodes_of_a_coarser_level():
    blueprint = Blueprint(9 * LEAF)
    blueprint.fill("compare", 0, ints(0, 1, 2, 3, 5), ints(0, 0, 0, 0, 0))
    assert blueprint.unmatched(1).tolist() == [False, True, True]
    assert blueprint.unmatched(2).tolist() == [True]


def test_copies_are_merged_and_repeats_are_one_read():
    blueprint = Blueprint(12 * LEAF + 100)
    nodes = ints(0, 1, 2, 4, 5, 6, 7, 8, 10, 11, 12)
    sources = ints(99, 99 + LEAF, 99 + 2 * LEAF, 7, 7, 7, 7 + LEAF, 50, 60, 60, 60)
    blueprint.fill("roll", 0, nodes, sources)
    assert blueprint.copies(0) == [
        Copy(0, 99, 3 * LEAF),
        Copy(4 * LEAF, 7, LEAF, times=2),
        Copy(6 * LEAF, 7, 2 * LEAF),
        Copy(8 * LEAF, 50, LEAF),
        Copy(10 * LEAF, 60, LEAF, times=2),
        Copy(12 * LEAF, 60, 100),
    ]
    assert sum(copy.length * copy.times for copy in blueprint.copies(0)) == blueprint.reused_bytes


def test_copies_of_zeros_are_one_a_window():
    blueprint = Blueprint(2 * WINDOW)
    blueprint.fill("slide", 0, np.arange(8192), np.zeros(8192, dtype=np.int64))
    assert [blueprint.copies(w) for w in (0, 1)] == [
        [Copy(0, 0, LEAF, times=4096)],
        [Copy(WINDOW, 0, LEAF, times=4096)],
    ]


def test_copies_end_with_the_window_and_the_file():
    blueprint = Blueprint(WINDOW + 700)
    blueprint.fill("compare", 7, ints(0), ints(0))
    assert [blueprint.copies(w) for w in (0, 1)] == [
        [Copy(0, 0, WINDOW)],
        [Copy(WINDOW, WINDOW, 700)],
    ]


def test_copies_without_what_is_staged():
    blueprint = Blueprint(5 * LEAF)
    blueprint.fill("compare", 0, np.arange(5), np.arange(5) * LEAF)
    skip = np.array([False, True, False, False, True])
    assert blueprint.copies(0, skip) == [Copy(0, 0, LEAF), Copy(1024, 1024, 2 * LEAF)]


def test_forget():
    blueprint = Blueprint(WINDOW + 5 * LEAF)
    blueprint.fill("compare", 7, ints(0), ints(0))
    blueprint.forget(1, [(1, 2), (4, 5)])
    assert blueprint.missing(0) == []
    assert blueprint.missing(1) == [(1, 2), (4, 5)]
    assert blueprint.missing_bytes == 2 * LEAF


def test_a_coarser_base_works_in_whole_nodes():
    blueprint = Blueprint(WINDOW + 5 * LEAF, base=1)
    assert len(blueprint.source) == 1024 + 2
    blueprint.fill("compare", 1, ints(1023, 1024, 1025), ints(5, 5 + 4 * LEAF, 0))
    assert blueprint.missing(0) == [(0, 4092)]
    assert blueprint.copies(1) == [
        Copy(WINDOW, 5 + 4 * LEAF, 4 * LEAF),
        Copy(WINDOW + 2048, 0, LEAF),
    ]
    blueprint.forget(1, [(2, 3)])
    assert blueprint.missing(1) == [(0, 4)]


def test_offsets_beyond_4_gib():
    length = (5 << 30) + 3
    blueprint = Blueprint(length, base=6)
    last = len(blueprint.source) - 1
    blueprint.fill("roll", 6, ints(last - 1, last), ints((9 << 30) + 1, 6 << 30))
    assert blueprint.copies(last - 1) == [Copy((5 << 30) - WINDOW, (9 << 30) + 1, WINDOW)]
    assert blueprint.copies(last) == [Copy(5 << 30, 6 << 30, 3)]
    assert blueprint.missing_bytes == (5 << 30) - WINDOW


def test_no_such_window():
    for call in (Blueprint(100).missing, Blueprint(100).nodes, Blueprint(100).copies):
        with pytest.raises(ValueError, match="window 1 is outside"):
            call(1)
