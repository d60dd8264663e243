import io
import random
from dataclasses import replace

import numpy as np
import pytest

from pyzsync.blueprint import Blueprint
from pyzsync.grid import LEAF, WINDOW, node_count
from pyzsync.hashes import Hashes
from pyzsync.match import compare_same_offset, slide
from pyzsync.target import Target
from pyzsync.tree import hash_stream

OLD = random.Random(5).randbytes(300 * LEAF + 77)


def tree_of(data, base=None):
    return hash_stream(io.BytesIO(data).read, len(data), base)


def search(new, *levels, base=0):
    """A blueprint, and a target that knows these levels of the tree of ``new``."""
    tree = tree_of(new, base)
    target = Target(tree.version, len(new), base)
    for level in levels:
        target.add_level(tree, level)
    return Blueprint(len(new), base), target


def rebuilt(blueprint, old):
    """The new bytes as far as the blueprint knows, zeros elsewhere."""
    new = bytearray(blueprint.length)
    for window in range(-(-blueprint.length // WINDOW)):
        for copy in blueprint.copies(window):
            data = old[copy.source : copy.source + copy.length] * copy.times
            new[copy.offset : copy.offset + len(data)] = data
    return bytes(new)


def edited(data, *offsets):
    new = bytearray(data)
    for offset in offsets:
        new[offset] ^= 1
    return bytes(new)


@pytest.mark.parametrize("level", [0, 1, 3, 5])
def test_equal_files_compare_equal_at_any_level(level):
    blueprint, target = search(OLD, level)
    assert compare_same_offset(blueprint, target, tree_of(OLD), level) == len(OLD)
    assert blueprint.steps == {"compare": len(OLD), "slide": 0, "roll": 0}
    assert rebuilt(blueprint, OLD) == OLD


def test_one_changed_byte_costs_one_node_of_the_level():
    for level, missing in ((3, 64 * LEAF), (1, 4 * LEAF), (0, LEAF)):
        blueprint, target = search(edited(OLD, 5000), level)
        compare_same_offset(blueprint, target, tree_of(OLD), level)
        assert blueprint.missing_bytes == missing


def test_finer_levels_find_only_what_coarser_ones_left():
    new = edited(OLD, 5000)
    blueprint, target = search(new, 3, 1, 0)
    found = [compare_same_offset(blueprint, target, tree_of(OLD), level) for level in (3, 1, 0)]
    assert found == [len(OLD) - 64 * LEAF, 60 * LEAF, 3 * LEAF]


def test_a_longer_or_shorter_old_file():
    blueprint, target = search(OLD, 0)
    assert compare_same_offset(blueprint, target, tree_of(OLD + b"more"), 0) == 300 * LEAF
    blueprint, target = search(OLD, 0)
    assert compare_same_offset(blueprint, target, tree_of(OLD[: 10 * LEAF + 5]), 0) == 10 * LEAF


def test_old_offsets_begin_where_the_old_file_does():
    blueprint, target = search(OLD, 0)
    compare_same_offset(blueprint, target, tree_of(OLD), 0, old_base=1000)
    assert blueprint.source[:2].tolist() == [1000, 1000 + LEAF]
    blueprint, target = search(OLD[LEAF:], 0)
    slide(blueprint, target, tree_of(OLD), 1000, 0)
    assert blueprint.source[:2].tolist() == [1000 + LEAF, 1000 + 2 * LEAF]


def test_levels_that_the_old_tree_does_not_have():
    blueprint, target = search(OLD, 0, 5)
    assert compare_same_offset(blueprint, target, tree_of(OLD, base=1), 0) == 0
    assert slide(blueprint, target, tree_of(OLD, base=1), 0, 0) == 0
    assert slide(blueprint, target, tree_of(OLD[:LEAF]), 0, 5) == 0
    assert compare_same_offset(blueprint, target, tree_of(b""), 0) == 0
    assert slide(blueprint, target, tree_of(b""), 0, 0) == 0


def test_nothing_known_or_nothing_left_finds_nothing():
    blueprint, target = search(OLD)
    assert compare_same_offset(blueprint, target, tree_of(OLD), 0) == 0
    assert slide(blueprint, target, tree_of(OLD), 0, 2) == 0
    blueprint, target = search(b"")
    assert slide(blueprint, target, tree_of(OLD), 0, 0) == 0


@pytest.mark.parametrize("moved", [1, 3, 64, 130])
def test_leaves_that_moved_are_found_by_digest(moved):
    new = OLD[moved * LEAF :] + OLD[: moved * LEAF]
    blueprint, target = search(new, 0)
    slide(blueprint, target, tree_of(OLD), 0, 0)
    assert blueprint.missing_bytes < 77 + LEAF * (moved + 1)
    assert blueprint.missing(0)[0][0] == 300 - moved
    assert rebuilt(blueprint, OLD)[: (300 - moved) * LEAF] == new[: (300 - moved) * LEAF]


def test_the_short_last_leaf_moves_too():
    new = OLD[LEAF:]
    blueprint, target = search(new, 0)
    assert slide(blueprint, target, tree_of(OLD), 0, 0) == len(new)
    assert rebuilt(blueprint, OLD) == new


def test_repeated_blocks_are_satisfied_by_one_find():
    new = OLD[5 * LEAF : 6 * LEAF] * 100
    blueprint, target = search(new, 0)
    assert slide(blueprint, target, tree_of(OLD), 0, 0) == len(new)
    assert len(blueprint.copies(0)) == 1
    assert rebuilt(blueprint, OLD) == new


@pytest.mark.parametrize("inserted", [1, 5, 67])
@pytest.mark.parametrize("level", [1, 2, 3])
def test_nodes_that_moved_by_leaves_are_found_by_composed_sums(inserted, level):
    new = OLD[: 100 * LEAF] + random.Random(6).randbytes(inserted * LEAF) + OLD[100 * LEAF :]
    blueprint, target = search(new, level)
    compare_same_offset(blueprint, target, tree_of(OLD), level)
    slide(blueprint, target, tree_of(OLD), 0, level)
    node = LEAF * 4**level
    # What was inserted, the nodes that it cut, and the last one, which is short.
    assert blueprint.missing_bytes <= inserted * LEAF + 3 * node
    kept = rebuilt(blueprint, OLD)
    for start, stop in blueprint.missing(0):
        new = new[: start * LEAF] + bytes((stop - start) * LEAF) + new[stop * LEAF :]
    assert kept == new[: len(kept)]


def test_an_old_base_that_is_finer_than_the_new_one():
    new = OLD[3 * LEAF :]
    blueprint, target = search(new, 1, 2, base=1)
    slide(blueprint, target, tree_of(OLD), 0, 2)
    slide(blueprint, target, tree_of(OLD), 0, 1)
    assert blueprint.missing_bytes < 5 * LEAF
    assert rebuilt(blueprint, OLD)[: 296 * LEAF] == new[: 296 * LEAF]


def test_a_lone_weak_find_is_not_believed():
    # Level 1 node 1 has the weak sum of the old leaves 5..9, but its neighbours stand elsewhere.
    old = tree_of(OLD)
    shifted = tree_of(OLD[5 * LEAF :])
    target = Target(bytes(32), 3 * 4 * LEAF)
    blueprint = Blueprint(target.length)
    weak = np.array([1, shifted.hashes(1).weak[0], 2], dtype="<u4")
    target.add(1, 0, [(0, 3)], Hashes(weak, np.zeros((3, 20), dtype=np.uint8)))
    assert slide(blueprint, target, old, 0, 1) == 0
    # With the neighbour beside it, it is.
    weak[2] = shifted.hashes(1).weak[1]
    target.add(1, 0, [(0, 3)], Hashes(weak, np.zeros((3, 20), dtype=np.uint8)))
    assert slide(blueprint, target, old, 0, 1) == 8 * LEAF
    assert blueprint.source[4:].tolist() == [(5 + n) * LEAF for n in range(8)]


def test_equal_keys_with_other_digests_are_no_match():
    blueprint, target = search(OLD[: 8 * LEAF], 0)
    target.hashes(0).strong[:, 4] ^= 1  # beyond the 64 bits of a key
    assert slide(blueprint, target, tree_of(OLD), 0, 0) == 0


def test_zeros_are_found_in_linear_space():
    zeros = bytes(node_count(WINDOW, 0) * LEAF)
    blueprint, target = search(zeros + b"\1" + zeros, 0)
    slide(blueprint, target, tree_of(zeros), 0, 0)
    assert blueprint.missing_bytes == LEAF + 1
    assert [len(blueprint.copies(w)) for w in (0, 1)] == [1, 1]


def moved(seed):
    """Leaves of OLD in another order, some twice, some not from it."""
    pick = random.Random(seed)
    leaves = [OLD[at : at + LEAF] for at in range(0, 300 * LEAF, LEAF)]
    return b"".join(
        pick.choice(leaves) if pick.random() < 0.9 else pick.randbytes(LEAF) for _ in range(400)
    )


@pytest.mark.parametrize("chunk", [1, 7, 64])
def test_passes_in_small_parts_find_the_same(monkeypatch, chunk):
    """What is done at once bounds memory and nothing else."""
    new = moved(1) + OLD
    sources = []
    for size in (1 << 17, chunk):
        monkeypatch.setattr("pyzsync.match._CHUNK", size)
        blueprint, target = search(new, 0)
        compare_same_offset(blueprint, target, tree_of(OLD), 0)
        slide(blueprint, target, tree_of(OLD), 0, 0)
        sources.append(blueprint.source.tolist())
        assert blueprint.reused_bytes == sum(blueprint.steps.values()) >= len(OLD)
    assert sources[0] == sources[1]


def test_a_tree_rests_after_each_part(monkeypatch):
    monkeypatch.setattr("pyzsync.match._CHUNK", 50)
    rests = []
    old = replace(tree_of(OLD), rest=lambda: rests.append(1))
    blueprint, target = search(moved(2), 0)
    compare_same_offset(blueprint, target, old, 0)
    assert len(rests) == 7
    slide(blueprint, target, old, 0, 0)
    assert len(rests) == 7 + 7
