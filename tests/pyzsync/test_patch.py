import io
import random

import numpy as np
import pytest

from pyzsync.blueprint import Blueprint
from pyzsync.errors import MissingBlocks, VersionMismatch
from pyzsync.grid import LEAF, WINDOW, window_count
from pyzsync.match import compare_same_offset
from pyzsync.patch import DIRECT, Patch
from pyzsync.target import Target
from pyzsync.tree import EMPTY_VERSION, hash_stream

NEW = random.Random(10).randbytes(WINDOW + 20 * LEAF + 100)
WHOLE = [(0, 4096)]
TAIL = [(0, 21)]


def tree_of(data, base=None):
    return hash_stream(io.BytesIO(data).read, len(data), base)


TREE = tree_of(NEW)


class Disk:
    """A staging file in memory that counts."""

    def __init__(self, length):
        self.data = bytearray(length)
        self.reads, self.writes = [], []

    def read(self, offset, size):
        self.reads.append((offset, size))
        return bytes(self.data[offset : offset + size])

    def write(self, offset, data):
        self.writes.append((offset, len(data)))
        self.data[offset : offset + len(data)] = data


def patch_of(old=b"", levels=(0,), base=0, new=NEW):
    """A patch from ``old`` to ``new`` with all that the same offsets give."""
    tree = tree_of(new, base)
    target = Target(tree.version, len(new), base)
    blueprint = Blueprint(len(new), base)
    for level in levels:
        target.add_level(tree, level)
        compare_same_offset(blueprint, target, tree_of(old, base), level)
    source, disk = Disk(0), Disk(len(new))
    source.data[:] = old
    return Patch(target, blueprint, source.read, disk.read, disk.write), source, disk


def leaves_of(data, window, runs):
    start = window * WINDOW
    return b"".join(data[start + a * LEAF : min(start + b * LEAF, start + WINDOW)] for a, b in runs)


def edited(*offsets):
    data = bytearray(NEW)
    for offset in offsets:
        data[offset] ^= 1
    return bytes(data)


def test_one_changed_byte_asks_for_one_leaf():
    patch, source, disk = patch_of(edited(5000))
    needs = []
    for window in (0, 1):
        patch.copy(window)
        needs.append(patch.check(window))
    assert needs == [[(9, 10)], []]
    patch.put(0, [(9, 10)], NEW[9 * LEAF : 10 * LEAF])
    assert patch.check(0) == []
    assert patch.finish().version == TREE.version
    assert disk.data == NEW
    assert source.reads == [
        (0, 9 * LEAF),
        (10 * LEAF, WINDOW - 10 * LEAF),
        (WINDOW, 20 * LEAF + 100),
    ]
    assert sum(size for _, size in disk.writes) == len(NEW)


def test_finish_gives_the_tree():
    patch, _, _ = patch_of(NEW)
    for window in (1, 0):
        assert not patch.complete
        patch.copy(window)
        patch.check(window)
    assert patch.complete
    tree = patch.finish()
    for ours, theirs in zip(tree.levels, TREE.levels, strict=True):
        assert ours.weak_bytes() == theirs.weak_bytes()
        assert ours.strong_bytes() == theirs.strong_bytes()


def test_blocks_in_any_order_and_any_subset():
    patch, _, disk = patch_of()
    assert patch.check(0) == WHOLE
    assert disk.reads == []
    for runs in ([(3, 5), (4090, 4096)], [(0, 3)], [(5, 4090)]):
        patch.put(0, runs, leaves_of(NEW, 0, runs))
    patch.put(1, [(20, 21)], NEW[-100:])
    assert patch.check(1) == [(0, 20)]
    patch.put(1, [(0, 20)], leaves_of(NEW, 1, [(0, 20)]))
    assert [patch.check(w) for w in (0, 1)] == [[], []]
    assert patch.finish().version == TREE.version


def test_wrong_blocks_are_asked_for_again():
    patch, _, _ = patch_of(edited(3 * LEAF))
    patch.copy(0)
    patch.put(0, [(3, 4)], bytes(LEAF))
    assert patch.check(0) == [(3, 4)]
    assert patch.blueprint.missing(0) == [(3, 4)]
    patch.put(0, [(3, 4)], leaves_of(NEW, 0, [(3, 4)]))
    assert patch.check(0) == []


def test_rot_in_the_old_file_never_spreads():
    patch, source, disk = patch_of(NEW)
    source.data[7 * LEAF] ^= 1
    source.data[-1] ^= 1
    for window, bad in ((0, [(7, 8)]), (1, [(20, 21)])):
        patch.copy(window)
        assert patch.check(window) == bad
        patch.put(window, bad, leaves_of(NEW, window, bad))
        patch.copy(window)  # what is staged is not copied again
        assert patch.check(window) == []
    assert patch.finish().version == TREE.version
    assert disk.data == NEW
    assert len(source.reads) == 2


def test_an_old_file_that_has_shrunk():
    patch, source, _ = patch_of(NEW)
    del source.data[10 * LEAF + 5 :]
    for window in (0, 1):
        patch.copy(window)
    assert patch.blueprint.missing(0) == patch.check(0) == [(10, 4096)]
    assert patch.blueprint.missing(1) == patch.check(1) == TAIL


def test_a_repeated_block_that_has_gone():
    zeros = bytes(WINDOW)
    patch, source, disk = patch_of(zeros, new=zeros)
    patch.blueprint.source[:] = 0
    patch.copy(0)
    assert (len(source.reads), len(disk.writes)) == (1, 1)
    patch, source, disk = patch_of(zeros, new=zeros)
    patch.blueprint.source[:] = 0
    source.data.clear()
    patch.copy(0)
    assert disk.writes == []
    assert patch.blueprint.missing(0) == WHOLE


def test_staged_bytes_that_have_gone_are_absent():
    patch, _, disk = patch_of(NEW)
    patch.copy(1)
    del disk.data[-101:]
    assert patch.check(1) == [(19, 21)]


def test_zeros_that_were_left_as_holes_pass():
    new = bytes(WINDOW)
    patch, _, disk = patch_of(new=new)
    patch._write = lambda offset, data: None
    patch.put(0, WHOLE, new)
    assert patch.check(0) == []
    assert patch.finish().version == tree_of(new).version
    assert disk.writes == []


def test_a_fresh_file_without_hashes_is_checked_as_a_whole():
    patch, _, _ = patch_of(levels=())
    patch.put(0, WHOLE, NEW[:WINDOW])
    assert patch.check(0) == []
    with pytest.raises(MissingBlocks) as caught:
        patch.finish()
    assert caught.value.windows == [(1, 2)]
    patch.put(1, TAIL, edited(WINDOW)[WINDOW:])
    assert patch.check(1) == []
    with pytest.raises(VersionMismatch) as caught:
        patch.finish()
    assert caught.value.wanted == TREE.version
    # With the finest hashes every window is checked again, and the culprit is found.
    assert not patch.complete
    patch.target.add_level(TREE, 0)
    assert [patch.check(w) for w in (0, 1)] == [[], [(0, 1)]]
    patch.put(1, [(0, 1)], leaves_of(NEW, 1, [(0, 1)]))
    assert patch.check(1) == []
    assert patch.finish().version == TREE.version


def test_a_false_match_is_found_by_the_version():
    # The hub's entry for leaf 5 is wrong in a way that the old leaf satisfies.
    old = edited(5 * LEAF)
    patch, _, disk = patch_of(old)
    patch.target.add(0, 0, [(5, 6)], tree_of(old).hashes(0, 5, 1))
    compare_same_offset(patch.blueprint, patch.target, tree_of(old), 0)
    for window in (0, 1):
        patch.copy(window)
        assert patch.check(window) == []
    with pytest.raises(VersionMismatch):
        patch.finish()
    patch.target.add_level(TREE, 0)
    assert patch.check(0) == [(5, 6)]
    patch.put(0, [(5, 6)], leaves_of(NEW, 0, [(5, 6)]))
    assert [patch.check(w) for w in (0, 1)] == [[], []]
    assert patch.finish().version == TREE.version
    assert disk.data == NEW


def test_a_checked_window_counts_only_until_it_is_written_to():
    patch, _, _ = patch_of(NEW)
    for window in (0, 1):
        patch.copy(window)
        patch.check(window)
    patch.put(0, [(0, 1)], bytes(LEAF))
    assert not patch.complete


@pytest.mark.parametrize("base", [1, 2, 6])
def test_a_coarser_base(base):
    patch, _, disk = patch_of(edited(5000), (base,), base)
    for window in range(window_count(len(NEW))):
        patch.copy(window)
        for start, stop in patch.check(window):
            patch.put(window, [(start, stop)], leaves_of(NEW, window, [(start, stop)]))
        assert patch.check(window) == []
    assert disk.data == NEW
    assert patch.finish().version == TREE.version
    assert sum(size for _, size in disk.writes) == len(NEW)


def test_part_of_a_coarse_base_node_does_not_stage_it():
    patch, _, _ = patch_of((b""), (1,), base=1)
    patch.put(0, [(0, 3), (4, 8)], leaves_of(NEW, 0, [(0, 3), (4, 8)]))
    assert patch.check(0) == [(0, 4), (8, 4096)]


def test_the_empty_file():
    patch, _, _ = patch_of(new=b"")
    assert patch.complete
    assert patch.finish().version == EMPTY_VERSION


def test_what_does_not_fit_is_refused():
    patch, _, disk = patch_of()
    for window, runs, data, reason in (
        (2, [(0, 1)], bytes(LEAF), "window 2 is outside"),
        (1, [(20, 22)], bytes(200), r"outside 0\.\.21"),
        (1, [(20, 21)], bytes(101), "101 bytes are not the length"),
        (0, [(0, 2)], bytes(LEAF), "512 bytes are not the length"),
    ):
        with pytest.raises(ValueError, match=reason):
            patch.put(window, runs, data)
    assert disk.writes == []
    with pytest.raises(ValueError, match="of different files"):
        Patch(patch.target, Blueprint(5), disk.read, disk.read, disk.write)


def test_offsets_beyond_4_gib():
    # The last window of a 5 GiB file; only it is read or written, at 64-bit offsets.
    base, length = 4, (5 << 30) + 1000
    window = window_count(length) - 1
    tail = NEW[:1000]
    target, blueprint = Target(bytes(32), length, base), Blueprint(length, base)
    hashes = tree_of(tail, base).hashes(base)
    target.add(
        base, (length >> 17) // 4096, [((length >> 17) % 4096, (length >> 17) % 4096 + 1)], hashes
    )
    blueprint.source[-1] = (6 << 30) + 1
    calls, staged = [], {}

    def read_old(offset, size):
        calls.append((offset, size))
        return tail

    patch = Patch(
        target, blueprint, read_old, lambda offset, size: staged[offset], staged.__setitem__
    )
    patch.copy(window)
    assert calls == [((6 << 30) + 1, 1000)]
    assert staged == {5 << 30: tail}
    assert patch.check(window) == []
    staged[5 << 30] = bytes(1000)
    assert patch.check(window) == [(0, 2)]
    assert np.flatnonzero(blueprint.source >= 0).tolist() == []


@pytest.mark.parametrize(("there", "left"), [(WINDOW, []), (300 * LEAF + 7, [(300, 4096)])])
def test_long_copies_may_go_from_file_to_file(there, left):
    tree = tree_of(NEW)
    target, blueprint = Target(tree.version, len(NEW)), Blueprint(len(NEW))
    target.add_level(tree, 0)
    compare_same_offset(blueprint, target, tree, 0)
    source, disk = Disk(0), Disk(len(NEW))
    copies = []

    def copy(old_offset, offset, size):
        copies.append((old_offset, offset, size))
        disk.write(offset, NEW[old_offset : old_offset + there])
        return min(size, there)

    patch = Patch(target, blueprint, source.read, disk.read, disk.write, copy)
    patch.copy(0)
    assert copies == [(0, 0, WINDOW)]
    assert source.reads == []
    assert patch.check(0) == left


def test_short_copies_are_read_and_written():
    new = NEW[: DIRECT - LEAF]
    tree = tree_of(new)
    target, blueprint = Target(tree.version, len(new)), Blueprint(len(new))
    target.add_level(tree, 0)
    compare_same_offset(blueprint, target, tree, 0)
    source, disk = Disk(0), Disk(len(new))
    source.data[:] = new
    patch = Patch(target, blueprint, source.read, disk.read, disk.write, copy=None)
    direct = Patch(target, blueprint, source.read, disk.read, disk.write, lambda *_: 1 // 0)
    for each in (patch, direct):
        each.copy(0)
        assert each.check(0) == []
    assert source.reads == [(0, len(new))] * 2
