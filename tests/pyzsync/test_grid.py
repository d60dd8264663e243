import math

import pytest

from pyzsync.grid import (
    LEAF,
    WINDOW,
    WINDOW_LEAVES,
    WINDOW_LEVEL,
    finest_kept,
    node_count,
    node_size,
    push_level,
    strong_width,
    top_level,
    window_bytes,
    window_count,
)

GIB = 1 << 30


def test_a_window_is_one_node_of_its_level():
    assert node_size(WINDOW_LEVEL) == WINDOW == LEAF * WINDOW_LEAVES == 2 << 20


@pytest.mark.parametrize(
    ("length", "leaves", "top", "windows"),
    [
        (0, 0, 0, 0),
        (1, 1, 0, 1),
        (511, 1, 0, 1),
        (512, 1, 0, 1),
        (513, 2, 1, 1),
        (4 * 512, 4, 1, 1),
        (4 * 512 + 1, 5, 2, 1),
        (WINDOW, 4096, 6, 1),
        (WINDOW + 1, 4097, 7, 2),
    ],
)
def test_counts(length, leaves, top, windows):
    assert node_count(length, 0) == leaves
    assert top_level(length) == top
    assert window_count(length) == windows


def test_finest_kept_keeps_at_most_8_mi_nodes_up_to_a_window_a_node():
    assert [finest_kept(n) for n in (0, 4 * GIB, 4 * GIB + 1, 16 * GIB, 16 * GIB + 1)] == [
        0,
        0,
        1,
        1,
        2,
    ]
    for length in (4 * GIB, 5 * GIB, 1000 * GIB, 16384 * GIB):
        assert node_count(length, finest_kept(length)) <= 8 << 20
    assert finest_kept(1 << 60) == WINDOW_LEVEL


def test_window_bytes():
    assert [window_bytes(WINDOW + 7, w) for w in (0, 1)] == [WINDOW, 7]
    for window in (-1, 2):
        with pytest.raises(ValueError, match=f"window {window} is outside"):
            window_bytes(WINDOW + 7, window)
    with pytest.raises(ValueError, match="outside a file of 0 bytes"):
        window_bytes(0, 0)


@pytest.mark.parametrize("length", [0, 1, 513, 10 << 20, 1_360_000_000, 1 << 40, 1 << 60])
def test_strong_width_keeps_a_whole_scan_below_one_false_match_in_2_to_the_40(length):
    width = strong_width(length)
    assert 5 <= width <= 20
    offsets, entries = 4 * max(length, 1), max(node_count(length, 0), 1)
    assert 32 + 8 * width >= 40 + math.log2(offsets) + math.log2(entries)


def test_strong_width_is_no_wider_than_needed():
    assert [strong_width(n) for n in (0, 1, 1 << 20, 1_360_000_000)] == [5, 5, 6, 8]


@pytest.mark.parametrize("length", [0, 1, 512, 10 << 20, 1_360_000_000, 1 << 45])
def test_push_level_is_the_finest_that_fits(length):
    level = push_level(length)
    entry = 4 + strong_width(length)
    assert level >= finest_kept(length)
    assert entry * node_count(length, level) <= 32 * 1024
    assert level == finest_kept(length) or entry * node_count(length, level - 1) > 32 * 1024


def test_push_level_ends_at_the_top_even_with_no_budget():
    assert push_level(10 << 20, budget=0) == top_level(10 << 20)
