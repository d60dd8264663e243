import io
import random

import numpy as np
import pytest

from pyzsync.grid import LEAF, WINDOW, strong_width
from pyzsync.hashes import hash_window
from pyzsync.target import Target
from pyzsync.tree import hash_stream

DATA = random.Random(4).randbytes(WINDOW + 20 * LEAF + 100)


def tree_of(data, base=None):
    return hash_stream(io.BytesIO(data).read, len(data), base)


TREE = tree_of(DATA)


def target_of(tree, *levels):
    target = Target(tree.version, tree.length, tree.base)
    for level in levels:
        target.add_level(tree, level)
    return target


def window_of(data, window, base=0):
    return hash_window(data[window * WINDOW : (window + 1) * WINDOW], base)


def changed(*leaves):
    data = bytearray(DATA)
    for leaf in leaves:
        data[leaf * LEAF] ^= 1
    return bytes(data)


def test_add_by_window_and_runs():
    target = Target(TREE.version, len(DATA))
    target.add(0, 1, [(0, 2), (20, 21)], TREE.hashes(0, 4096).take(np.array([0, 1, 20])))
    assert target.known(0).nonzero()[0].tolist() == [4096, 4097, 4116]
    assert not target.known(1).any()
    known = np.array([4096, 4097, 4116])
    assert target.hashes(0).take(known).equal(TREE.hashes(0).take(known)).all()
    assert target.width == strong_width(len(DATA)) == 6


def test_add_level_is_the_same_as_adding_its_windows():
    target, whole = Target(TREE.version, len(DATA)), target_of(TREE, 0)
    target.add(0, 0, [(0, 4096)], TREE.hashes(0, 0, 4096))
    target.add(0, 1, [(0, 21)], TREE.hashes(0, 4096).cut(6))
    assert target.known(0).all()
    assert target.hashes(0).strong_bytes() == whole.hashes(0).strong_bytes()
    assert target.hashes(0).weak_bytes() == whole.hashes(0).weak_bytes()


def test_what_does_not_fit_is_refused():
    target, hashes = Target(TREE.version, len(DATA)), TREE.hashes(0, 0, 3)
    for level, window, runs, given, reason in (
        (0, 2, [(0, 3)], hashes, "level 0 has no window 2"),
        (0, -1, [(0, 3)], hashes, "level 0 has no window -1"),
        (0, 1, [(19, 22)], hashes, "outside 0..21"),
        (0, 0, [(0, 2)], hashes, "3 hashes were given for 2 nodes"),
        (0, 0, [(0, 3)], hashes.cut(5), "5 strong bytes cannot be cut to 6"),
        (8, 0, [(0, 3)], hashes, "has no level 8"),
        (-1, 0, [(0, 3)], hashes, "has no level -1"),
    ):
        with pytest.raises(ValueError, match=reason):
            target.add(level, window, runs, given)
    assert not target.known(0).any()
    with pytest.raises(ValueError, match="tree of another version"):
        target.add_level(tree_of(DATA[:-1]), 0)
    with pytest.raises(ValueError, match="has no level 0"):
        Target(TREE.version, len(DATA), base=1).known(0)


def test_leaves_single_out_what_is_bad():
    target = target_of(TREE, 0, 3, 6)
    assert target.bad_leaves(0, window_of(DATA, 0)) == []
    assert target.bad_leaves(0, window_of(changed(7, 8, 100), 0)) == [(7, 9), (100, 101)]
    assert target.bad_leaves(1, window_of(changed(4116), 1)) == [(20, 21)]


def test_a_coarse_node_alone_makes_all_its_leaves_bad():
    target = target_of(TREE, 1)
    assert target.bad_leaves(0, window_of(changed(7), 0)) == [(4, 8)]
    assert target.bad_leaves(1, window_of(changed(4116), 1)) == [(20, 21)]


def test_finer_matches_vouch_for_their_leaves():
    target = target_of(TREE, 3)
    target.add(1, 0, [(16, 18)], TREE.hashes(1, 16, 2))
    # Level 3 blames leaves 64..128; those of two level 1 nodes, 64..72, are vouched for.
    assert target.bad_leaves(0, window_of(changed(90), 0)) == [(72, 128)]
    # A culprit that is known satisfies the coarser node: the rest is suspected only if it persists.
    assert target.bad_leaves(0, window_of(changed(70, 90), 0)) == [(68, 72)]


def test_absent_leaves_are_bad_and_explain_coarser_mismatches():
    target = target_of(TREE, 2, 6)
    found = window_of(changed(3, 40), 0)
    assert target.bad_leaves(0, found, [(3, 4)]) == [(3, 4), (32, 48)]
    assert target.bad_leaves(0, window_of(DATA, 0), [(3, 4)]) == [(3, 4)]


def test_a_contradiction_makes_everything_under_it_bad():
    target = target_of(TREE, 0)
    other = tree_of(changed(0))
    target.add(1, 0, [(0, 1)], other.hashes(1, 0, 1))
    assert target.bad_leaves(0, window_of(DATA, 0)) == [(0, 4)]


def test_nothing_known_knows_nothing_bad():
    assert Target(TREE.version, len(DATA)).bad_leaves(0, window_of(bytes(WINDOW), 0)) == []


def test_levels_above_a_window_judge_no_window():
    target = target_of(TREE, 7)
    assert target.bad_leaves(0, window_of(changed(1), 0)) == []


def test_a_coarser_base():
    tree = tree_of(DATA, base=1)
    target = target_of(tree, 1)
    assert target.bad_leaves(0, window_of(changed(7), 0, base=1)) == [(4, 8)]
    assert target.bad_leaves(1, window_of(changed(4116), 1, base=1)) == [(20, 21)]


def test_a_window_of_another_length_is_refused():
    with pytest.raises(ValueError, match="window 1 does not have 5 bytes"):
        target_of(TREE, 0).bad_leaves(1, hash_window(b"short"))
