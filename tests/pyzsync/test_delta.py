from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyzsync import hash_stream
from pyzsync.delta import find_steps, literals
from pyzsync.errors import VersionMismatch
from pyzsync.gaps import find_blocks
from pyzsync.grid import LEAF, WINDOW, window_bytes
from pyzsync.replay import Replay
from pyzsync.steps import HEADER_SIZE, decode_steps, encode_steps

SEARCH = 1 << 40


def noise(size, seed=0):
    return np.random.default_rng(seed).bytes(size)


def tree_of(data, base=None):
    at = 0

    def read(size):
        nonlocal at
        at += size
        return data[at - size : at]

    return hash_stream(read, len(data), base)


class File:
    """A new version's leaves, and what reading them cost."""

    def __init__(self, data):
        self.data = data
        self.reads = self.bytes = 0

    def leaves(self, window, runs):
        assert runs and all(0 <= start < stop for start, stop in runs)
        assert all(a[1] < b[0] for a, b in pairwise(runs))
        size = window_bytes(len(self.data), window)
        origin = window * WINDOW
        out = b"".join(
            self.data[origin + start * LEAF : origin + min(stop * LEAF, size)]
            for start, stop in runs
        )
        self.reads += 1
        self.bytes += len(out)
        return out


def delta(old, new, most_literal=1 << 30, most_searched=SEARCH, base=None):
    file = File(new)
    steps = find_steps(
        tree_of(old, base), tree_of(new, base), file.leaves, most_literal, most_searched
    )
    return steps, file


def apply(old, new, steps, literal):
    staged = bytearray(len(new))

    def write(offset, data):
        staged[offset : offset + len(data)] = data

    replay = Replay(
        steps,
        len(new),
        copy=lambda source, offset, size: write(offset, old[source : source + size]),
        read_old=lambda source, size: old[source : source + size],
        read=lambda offset, size: bytes(staged[offset : offset + size]),
        write=write,
    )
    replay.feed(literal)
    replay.finish(tree_of(new).version)
    return bytes(staged)


def check(old, new):
    """Over the wire and back; returns the steps."""
    steps, file = delta(old, new)
    if steps is None:
        return None
    packed = encode_steps(steps)
    steps = decode_steps(packed[:HEADER_SIZE], packed[HEADER_SIZE:], len(old), len(new))
    literal = b"".join(literals(steps, file.leaves))
    assert len(literal) == steps.literal_bytes
    assert apply(old, new, steps, literal) == new
    return steps


def test_one_changed_byte_is_one_literal_leaf():
    old = noise(100_000)
    new = old[:50_000] + b"!" + old[50_001:]
    steps, file = delta(old, new)
    assert (len(steps), steps.literal_bytes) == (2, LEAF)
    assert file.bytes == LEAF  # neither file was read but for the leaf that nothing knows
    assert check(old, new) is not None


def test_an_insertion_is_found_at_any_offset():
    old = noise(200_000)
    new = old[:70_000] + b"seven b" + old[70_000:]
    steps = check(old, new)
    assert len(steps) == 2
    assert steps.literal_bytes <= 2 * LEAF + 7


def test_a_move_by_whole_leaves_reads_no_file():
    old = noise(300 * LEAF)
    new = old[100 * LEAF :] + old[: 100 * LEAF]
    steps, file = delta(old, new)
    assert (len(steps), steps.literal_bytes, file.reads) == (2, 0, 0)
    check(old, new)


def test_an_appended_byte_costs_the_last_leaf():
    old = noise(10_000)
    steps = check(old, old + b"x")
    assert steps.literal_bytes <= LEAF + 1


def test_the_short_last_leaf_is_copied():
    old = noise(10 * LEAF + 77)
    new = b"y" + old[1:]
    steps = check(old, new)
    assert (len(steps), steps.literal_bytes) == (2, LEAF)


def test_identical_content_is_one_copy():
    old = noise(12_345)
    steps = check(old, old)
    assert (len(steps), steps.literal_bytes) == (1, 0)


@pytest.mark.parametrize("size", [2 * LEAF, 100 * LEAF + 3, 3 * WINDOW])
def test_zeros_are_one_copy_however_many(size):
    steps = check(bytes(size), bytes(size - 3))
    assert len(steps) <= 2
    assert steps.literal_bytes < LEAF


def test_more_zeros_than_the_old_version_has():
    steps = check(noise(LEAF) + bytes(4 * LEAF), noise(LEAF) + bytes(40 * LEAF))
    assert steps.literal_bytes == 0


def test_repeated_blocks_shifted_by_a_byte():
    block = noise(4 * LEAF)
    old = block + noise(8 * LEAF, 1) + block
    new = b"+" + block + block + noise(8 * LEAF, 1) + b"-" + block
    steps = check(old, new)
    assert steps.literal_bytes < 3 * LEAF


def test_equal_old_leaves_keep_a_copy_whole():
    """The join finds any of the equal leaves; the copy must not jump about among them."""
    common = noise(LEAF)
    old = noise(5 * LEAF, 1) + common + noise(5 * LEAF, 2) + common + noise(5 * LEAF, 3)
    new = noise(LEAF, 9) + old
    steps = check(old, new)
    assert len(steps) == 2


def test_a_gap_over_a_window_boundary():
    old = noise(2 * WINDOW)
    new = noise(3 * LEAF + 5, 1) + old
    steps = check(old, new)
    assert steps.literal_bytes <= 4 * LEAF + 5 + 2 * LEAF


@pytest.mark.parametrize(("old", "new"), [(b"", b"abc"), (b"abc", b""), (b"", b"")])
def test_nothing_makes_no_delta(old, new):
    assert delta(old, new)[0] is None


def test_nothing_in_common_makes_no_delta():
    assert delta(noise(5000, 1), noise(5000, 2))[0] is None


def test_bounds():
    old = noise(100 * LEAF)
    new = old[: 50 * LEAF] + noise(50 * LEAF, 1)
    assert delta(old, new, most_literal=50 * LEAF)[0] is not None
    assert delta(old, new, most_literal=50 * LEAF - 1)[0] is None
    steps, file = delta(old, new, most_searched=50 * LEAF - 1)
    assert (steps, file.reads) == (None, 0)


def test_trees_without_leaves_copy_whole_nodes():
    old = noise(64 * LEAF)
    new = b"!" + old
    steps, _ = delta(old, new, base=2)
    assert steps.literal_bytes == 1
    assert find_steps(tree_of(old, 0), tree_of(new, 2), File(new).leaves, 1 << 30, SEARCH) is None


def test_old_bytes_that_are_not_what_they_were_give_no_file():
    old = noise(20_000)
    new = old[:10_000] + b"!" + old[10_001:]
    steps, file = delta(old, new)
    literal = b"".join(literals(steps, file.leaves))
    for rotten in (b"?" + old[1:], old[:5000]):
        with pytest.raises(VersionMismatch):
            apply(rotten, new, steps, literal)


edits = st.lists(
    st.tuples(st.integers(0, 30_000), st.integers(0, 3000), st.binary(max_size=700)), max_size=5
)


@given(st.integers(0, 30_000), st.integers(1, 2000), edits)
def test_any_edits(size, period, changes):
    old = (noise(period, period) * (size // period + 1))[:size] if period < 1000 else noise(size)
    new = old
    for at, drop, put in changes:
        new = new[:at] + put + new[at + drop :]
    check(old, new)


def test_copies_made_in_small_parts_are_the_same(monkeypatch):
    old = noise(60 * LEAF)
    new = old[: 20 * LEAF] + b"x" + old[20 * LEAF :] + old[5 * LEAF : 9 * LEAF] + old[30 * LEAF :]
    whole, _ = delta(old, new)
    monkeypatch.setattr("pyzsync.delta._CHUNK", 3)
    parts, _ = delta(old, new)
    assert encode_steps(parts) == encode_steps(whole)


@pytest.mark.parametrize("stretch", [1 << 30, 3000])
def test_what_is_sought_and_searched_in_small_parts_is_the_same(monkeypatch, stretch):
    """Old leaves a few at a time; stretches that end within what is found, and within a leaf."""
    old = noise(120 * LEAF)
    moved = b"x" * 100 + old[10 * LEAF : 20 * LEAF] + b"y" * (LEAF - 100)
    new = old[: 60 * LEAF] + moved + old[60 * LEAF :]
    whole, _ = delta(old, new)
    searches = []

    def search(*args):
        searches.append(args)
        return find_blocks(*args)

    monkeypatch.setattr("pyzsync.delta.find_blocks", search)
    monkeypatch.setattr("pyzsync.delta._SOUGHT", 50)
    monkeypatch.setattr("pyzsync.delta._STRETCH", stretch)
    parts, _ = delta(old, new)
    assert encode_steps(parts) == encode_steps(whole)
    assert parts.literal_bytes == LEAF
    stretches = 1 if stretch > len(new) else 2
    assert len(searches) == stretches * 3  # parts of the old leaves; what is left is too short
