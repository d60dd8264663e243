"""patch(old, blueprint(hashes(new), old), blocks) == new, for any bytes and any mix of steps."""

import io
import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyzsync.blueprint import Blueprint
from pyzsync.grid import LEAF, WINDOW, top_level, window_count
from pyzsync.hashes import hash_window
from pyzsync.match import compare_same_offset, slide
from pyzsync.pack import open_tree, write_tree
from pyzsync.patch import Patch
from pyzsync.roll import PIECE, roll
from pyzsync.runs import runs_of
from pyzsync.target import Target
from pyzsync.tree import build_tree, hash_stream


def tree_of(data, base):
    file = io.BytesIO()
    write_tree(hash_stream(io.BytesIO(data).read, len(data), base), file.write)
    return open_tree(file.getvalue())


# Few pieces, of sizes at and beside the grid's borders: blocks repeat, move and nearly match.
PIECES = [random.Random(n).randbytes(size) for n, size in enumerate((1, 511, 512, 513, 2048, 3000))]
pieces = st.sampled_from([*PIECES, bytes(512), bytes(700), b"ab" * 400])


@st.composite
def edits(draw):
    """Two files: any pieces, and either others or the first with pieces cut out and put in."""
    old = b"".join(draw(st.lists(pieces, max_size=8)))
    if draw(st.booleans()):
        return old, b"".join(draw(st.lists(pieces, max_size=8)))
    new = old
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(new)))
        new = (
            new[:at] + draw(st.one_of(pieces, st.just(b""))) + new[at + draw(st.integers(0, 600)) :]
        )
    return old, new


def ask(target, tree, level, mask):
    """Give the target the hashes of some nodes of a level: what a hub would send."""
    for window in range(-(-len(mask) // 4096)):
        part = mask[window * 4096 : (window + 1) * 4096]
        nodes = np.flatnonzero(part) + window * 4096
        target.add(level, window, runs_of(part), tree.hashes(level).take(nodes))


def transfer(new, patch):
    """Copy, check, fetch what is asked for, until all is there; the bytes fetched."""
    fetched = 0
    for window in range(window_count(len(new))):
        patch.copy(window)
        while needed := patch.check(window):
            start, end = window * WINDOW, min((window + 1) * WINDOW, len(new))
            parts = [new[start + a * LEAF : min(start + b * LEAF, end)] for a, b in needed]
            patch.put(window, needed, b"".join(parts))
            fetched += sum(map(len, parts))
    return fetched


STEPS = ("compare", "slide", "roll")


@given(
    edits(),
    st.integers(0, 2),
    st.integers(0, 2),
    st.lists(
        st.tuples(st.integers(0, 6), st.lists(st.sampled_from(STEPS), unique=True)), max_size=3
    ),
    st.booleans(),
)
def test_patching_gives_the_new_file(files, old_base, base, plan, layered):
    old, new = files
    old_tree, tree = tree_of(old, old_base), tree_of(new, base)
    target, blueprint = Target(tree.version, len(new), base), Blueprint(len(new), base)
    disk = bytearray(len(new))

    def read_old(offset, size):
        return old[offset : offset + size]

    def write(offset, data):
        disk[offset : offset + len(data)] = data

    for level, steps in sorted(plan, key=lambda each: each[0], reverse=True):
        if not base <= level <= max(base, top_level(len(new))):
            continue
        mask = blueprint.unmatched(level)
        ask(target, tree, level, mask if layered else np.ones_like(mask))
        if "compare" in steps:
            compare_same_offset(blueprint, target, old_tree, level)
        if "slide" in steps:
            slide(blueprint, target, old_tree, 0, level)
        if "roll" in steps:
            roll(blueprint, target, read_old, len(old), level)
    promised = blueprint.missing_bytes
    assert sum(blueprint.steps.values()) == blueprint.reused_bytes
    patch = Patch(target, blueprint, read_old, lambda at, size: bytes(disk[at : at + size]), write)
    fetched = transfer(new, patch)
    assert disk == new
    assert patch.finish().version == tree.version
    assert fetched == promised  # no step promised what it could not keep


@given(edits(), st.integers(0, 2))
def test_equal_files_need_nothing(files, base):
    new, _ = files
    tree = tree_of(new, base)
    target, blueprint = Target(tree.version, len(new), base), Blueprint(len(new), base)
    target.add_level(tree, max(base, top_level(len(new))))
    compare_same_offset(blueprint, target, tree, max(base, top_level(len(new))))
    assert blueprint.missing_bytes == 0


@given(st.integers(1, 5000), st.integers(0, 4999), st.integers(1, 600))
def test_rolling_finds_all_but_what_an_insertion_touches(length, at, size):
    old = random.Random(length).randbytes(length)
    at = min(at, length)
    new = old[:at] + random.Random(at).randbytes(size) + old[at:]
    tree = tree_of(new, 0)
    target, blueprint = Target(tree.version, len(new)), Blueprint(len(new))
    target.add_level(tree, 0)
    roll(blueprint, target, lambda offset, count: old[offset : offset + count], length, 0)
    assert blueprint.missing_bytes <= size + 2 * LEAF


def test_an_all_zero_file_costs_one_find_and_a_call_a_window():
    # 1 GiB of zeros from 1 MiB of zeros; every window has the same hashes, so one is hashed.
    length, windows = 1 << 30, 512
    tree = build_tree(length, [hash_window(bytes(WINDOW), base=0)] * windows)
    target, blueprint = Target(tree.version, length), Blueprint(length)
    target.add_level(tree, 0)
    reads, writes = [], []

    def read_old(offset, size):
        reads.append(size)
        return bytes(size)

    assert roll(blueprint, target, read_old, 1 << 20, 0) == length
    assert reads == [PIECE]
    patch = Patch(target, blueprint, read_old, read_old, lambda at, data: writes.append(len(data)))
    reads.clear()
    for window in (0, windows // 2, windows - 1):
        patch.copy(window)
        assert patch.check(window) == []
    assert reads == [LEAF, WINDOW] * 3
    assert writes == [WINDOW] * 3
    old = build_tree(1 << 20, [hash_window(bytes(1 << 20), base=0)])
    again = Blueprint(length)
    assert slide(again, target, old, 0, 0) == length


@pytest.mark.parametrize("base", [0, 6])
def test_one_changed_byte_in_a_big_file_asks_for_one_node(base):
    # 64 MiB of which only two distinct windows are ever hashed.
    length, windows = 64 << 20, 32
    data = random.Random(1).randbytes(WINDOW)
    other = bytes([data[0] ^ 1]) + data[1:]
    hashes, changed = hash_window(data, base), hash_window(other, base)
    old = build_tree(length, [hashes] * windows)
    new = build_tree(length, [hashes] * 20 + [changed] + [hashes] * 11)
    target, blueprint = Target(new.version, length, base), Blueprint(length, base)
    asked = 0
    for level in range(top_level(length), base - 1, -1):
        mask = blueprint.unmatched(level)
        asked += int(mask.sum())
        ask(target, new, level, mask)
        compare_same_offset(blueprint, target, old, level)
    assert blueprint.missing_bytes == LEAF * 4**base
    assert asked <= 1 + 4 * (top_level(length) - base)
    assert [w for w in range(windows) if blueprint.missing(w)] == [20]
