import io
import random
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from pyzsync.blueprint import Blueprint
from pyzsync.grid import LEAF, WINDOW, node_size
from pyzsync.match import compare_same_offset
from pyzsync.roll import NEAR, PIECE, roll, unused
from pyzsync.target import Target
from pyzsync.tree import hash_stream

OLD = random.Random(7).randbytes(100 * LEAF + 77)


class Reader:
    """Old bytes that count what is read of them."""

    def __init__(self, data):
        self.data = data
        self.reads = []

    def __call__(self, offset, size):
        self.reads.append((offset, size))
        return self.data[offset : offset + size]

    @property
    def size(self):
        return sum(size for _, size in self.reads)


def tree_of(data, base=None):
    return hash_stream(io.BytesIO(data).read, len(data), base)


def search(new, *levels, base=0):
    tree = tree_of(new, base)
    target = Target(tree.version, len(new), base)
    for level in levels:
        target.add_level(tree, level)
    return Blueprint(len(new), base), target


def rows(ranges):
    return list(map(tuple, ranges.tolist()))


def sources(blueprint, old):
    """Every base node's old bytes, to compare with the new file."""
    parts = [bytes(old[s : s + blueprint.unit]) for s in blueprint.source.tolist()]
    return b"".join(parts)[: blueprint.length]


@pytest.mark.parametrize("level", [0, 1, 2])
@pytest.mark.parametrize("shift", [1, 511, 513, 1000])
def test_bytes_that_moved_anywhere(level, shift):
    new = OLD[shift:]
    blueprint, target = search(new, level)
    found = roll(blueprint, target, Reader(OLD), len(OLD), level)
    assert found == len(new) == blueprint.steps["roll"]
    assert sources(blueprint, OLD) == new


def test_the_old_file_is_read_once():
    old = random.Random(8).randbytes(2 * PIECE + 1000)
    blueprint, target = search(bytes(LEAF) + OLD, 0)
    reader = Reader(old)
    assert roll(blueprint, target, reader, len(old), 0) == 0
    scan = [(0, PIECE), (PIECE - 511, PIECE), (2 * PIECE - 1022, 2022)]
    assert reader.reads[:3] == scan
    assert reader.size <= sum(size for _, size in scan) + 2 * 77


def test_only_unused_parts_are_read():
    new = bytearray(OLD)
    new[50 * LEAF + 3 : 50 * LEAF + 5] = b"inserted"
    blueprint, target = search(bytes(new[: 100 * LEAF]), 0)
    compare_same_offset(blueprint, target, tree_of(OLD), 0)
    reader = Reader(OLD)
    roll(blueprint, target, reader, len(OLD), 0)
    assert blueprint.missing_bytes == LEAF
    assert reader.reads == [(50 * LEAF - 511, len(OLD) - 50 * LEAF + 511)]


def test_all_found_stops_reading():
    zeros = bytes(64)
    blueprint, target = search(bytes(5 * WINDOW), 0)
    reader = Reader(zeros * (WINDOW // 16))
    assert roll(blueprint, target, reader, len(reader.data), 0) == 5 * WINDOW
    assert reader.reads == [(0, PIECE)]


def test_repeated_blocks_are_satisfied_by_one_find():
    new = OLD[99 : 99 + LEAF] * 50
    blueprint, target = search(new, 0)
    assert roll(blueprint, target, Reader(OLD), len(OLD), 0) == len(new)
    assert set(blueprint.source.tolist()) == {99}


@pytest.mark.parametrize("new", [OLD[-77:], OLD[300:], OLD[:LEAF] + b"x" * LEAF + OLD[-77:]])
def test_the_short_last_leaf_at_the_old_end(new):
    blueprint, target = search(new, 0)
    roll(blueprint, target, Reader(OLD), len(OLD), 0)
    assert blueprint.source[-1] == len(OLD) - (len(new) % LEAF)


def test_the_short_last_leaf_right_after_the_one_before_it():
    new = OLD[300 : 300 + 3 * LEAF + 50]
    blueprint, target = search(new, 0)
    assert roll(blueprint, target, Reader(OLD), len(OLD), 0) == len(new)
    assert sources(blueprint, OLD) == new


def test_the_short_last_leaf_at_the_same_offset():
    new = b"x" * 2 * LEAF + OLD[2 * LEAF : 2 * LEAF + 50]
    blueprint, target = search(new, 0)
    reader = Reader(OLD)
    assert roll(blueprint, target, reader, len(OLD), 0) == 50
    assert reader.reads == [(0, len(OLD)), (2 * LEAF, 50)]


def test_a_file_shorter_than_a_leaf():
    for new in (b"x", OLD[:300], OLD[-300:]):
        blueprint, target = search(new, 0)
        reader = Reader(OLD)
        roll(blueprint, target, reader, len(OLD), 0)
        assert blueprint.missing_bytes == (1 if new == b"x" else 0)
        assert reader.size <= 2 * len(new)


def test_an_old_file_that_is_too_short_or_empty_or_shrinks():
    for old, length in ((OLD[:200], 200), (b"", 0), (OLD[: 10 * LEAF], len(OLD)), (b"", len(OLD))):
        blueprint, target = search(OLD, 0)
        found = roll(blueprint, target, Reader(old), length, 0)
        assert found == len(old) // LEAF * LEAF


def test_nothing_wanted_reads_nothing():
    for blueprint, target in (search(OLD), search(b"", 0)):
        reader = Reader(OLD)
        assert roll(blueprint, target, reader, len(OLD), 0) == 0
        assert reader.reads == []


def test_a_coarser_base():
    new = OLD[333:]
    blueprint, target = search(new, 1, base=1)
    assert roll(blueprint, target, Reader(OLD), len(OLD), 1) == len(new)
    assert sources(blueprint, OLD) == new


def test_unused_parts_are_widened_joined_and_long_enough():
    blueprint = Blueprint(4 * LEAF)
    assert rows(unused(blueprint, 2000, LEAF)) == [(0, 2000)]
    assert rows(unused(blueprint, 511, LEAF)) == []
    nodes = np.arange(4)
    blueprint.fill("roll", 0, nodes, np.array([0, 512, 1024 + 600, 5000]))
    # Unused: 1024..1624, 2136..5000, 5512..9000; the first two touch once widened.
    assert rows(unused(blueprint, 9000, LEAF)) == [(513, 9000)]
    assert rows(unused(blueprint, 5600, LEAF)) == [(513, 5511)]
    assert rows(unused(blueprint, 4999, LEAF)) == [(513, 4999)]
    wide = Blueprint(4 * LEAF)
    wide.fill("compare", 1, np.array([0]), np.array([4 * LEAF]))
    assert rows(unused(wide, 8 * LEAF, LEAF)) == [(0, 4 * LEAF + 511)]
    assert rows(unused(wide, 20 * LEAF, LEAF)) == [(0, 4 * LEAF + 511), (8 * LEAF - 511, 20 * LEAF)]


def test_what_lies_across_a_gap_of_one_block_is_not_searched():
    new = bytearray(OLD)
    new[10 * LEAF] ^= 1
    new[20 * LEAF] ^= 1
    new[21 * LEAF] ^= 1
    blueprint, target = search(bytes(new), 0)
    compare_same_offset(blueprint, target, tree_of(OLD), 0)
    assert rows(unused(blueprint, len(OLD), LEAF)) == [(20 * LEAF - 511, 22 * LEAF + 511)]
    assert rows(unused(Blueprint(LEAF), LEAF, LEAF)) == [(0, LEAF)]  # no gap: the whole file


def test_short_unused_parts_share_a_batch():
    class Counting(ThreadPoolExecutor):
        batches = 0

        def submit(self, *work):
            self.batches += 1
            return super().submit(*work)

    leaves = 2000
    old = random.Random(11).randbytes(leaves * LEAF)
    new = bytearray(old)
    for at in (5, 5 + LEAF):  # two leaves of four
        new[at :: 4 * LEAF] = bytes(b ^ 1 for b in new[at :: 4 * LEAF])
    blueprint, target = search(bytes(new), 0)
    compare_same_offset(blueprint, target, tree_of(old), 0)
    parts = unused(blueprint, len(old), LEAF)
    with Counting(2) as pool:
        assert roll(blueprint, target, Reader(old), len(old), 0, pool) == 0
    assert len(parts) == leaves // 4
    assert pool.batches == -(-sum(stop - start for start, stop in parts) // PIECE) == 4


def test_parts_near_each_other_are_read_at_once():
    old = random.Random(12).randbytes(400 * LEAF)
    new = bytearray(old)
    far = 120 + NEAR // LEAF
    for leaf in (100, 119, far + 5):
        new[leaf * LEAF] ^= 1
        new[(leaf + 1) * LEAF] ^= 1
    blueprint, target = search(bytes(new), 0)
    compare_same_offset(blueprint, target, tree_of(old), 0)
    reader = Reader(old)
    assert roll(blueprint, target, reader, len(old), 0) == 0
    ends = [(100, 121), (far + 5, far + 7)]
    assert reader.reads == [
        (first * LEAF - 511, (stop - first) * LEAF + 2 * 511) for first, stop in ends
    ]


def test_a_file_that_has_shrunk_is_searched_as_far_as_it_goes():
    old = random.Random(13).randbytes(200 * LEAF)
    new = bytearray(old)
    new[20 * LEAF : 21 * LEAF] = old[40 * LEAF + 5 : 41 * LEAF + 5]
    new[40 * LEAF : 41 * LEAF] = old[60 * LEAF + 5 : 61 * LEAF + 5]
    for leaf in (41, 60, 61):
        new[leaf * LEAF] ^= 1
    blueprint, target = search(bytes(new), 0)
    compare_same_offset(blueprint, target, tree_of(old), 0)
    found = roll(blueprint, target, Reader(old[: 50 * LEAF]), len(old), 0)
    assert found == LEAF
    assert blueprint.source[[20, 40, 60]].tolist() == [40 * LEAF + 5, -1, -1]


def test_offsets_beyond_4_gib():
    # 5 GiB of old bytes, all used but the last part: only that part is read.
    base, far = 4, (5 << 30) + 12_345
    unit = LEAF * 4**base
    new = random.Random(9).randbytes(unit)
    count = (5 << 30) // unit
    blueprint, target = Blueprint((count + 1) * unit, base), None
    blueprint.fill("compare", base, np.arange(count), np.arange(count) * unit)
    target = Target(bytes(32), blueprint.length, base)
    window, node = divmod(count, 4096)
    target.add(base, window, [(node, node + 1)], tree_of(new, base).hashes(base))
    asked = []

    def read(offset, size):
        asked.append(offset)
        before = max(far - offset, 0)
        inside = new[max(offset - far, 0) : offset + size - far]
        return (bytes(before) + inside).ljust(size, b"\0")[:size]

    assert roll(blueprint, target, read, far + unit + 99, base) == unit
    assert blueprint.source[count] == far
    assert min(asked) == (5 << 30) - unit + 1


@pytest.mark.parametrize("level", [0, 1, 3])
def test_threads_find_the_same(level):
    block = node_size(level)
    part = random.Random(9).randbytes(3 * block + 300)
    # Copies all over, so that it is a question which one is found, across the edges of pieces too.
    old = b"".join(part[i % 7 :] + bytes(5000) for i in range(3 * PIECE // len(part)))
    new = (
        part + random.Random(10).randbytes(block) + bytes(2 * block) + old[2 * PIECE - 700 :][:2000]
    )
    alone, target = search(new, level)
    roll(alone, target, Reader(old), len(old), level)
    with ThreadPoolExecutor(4) as pool:
        for _ in range(5):
            together, _ = search(new, level)
            roll(together, target, Reader(old), len(old), level, pool)
            assert together.source.tolist() == alone.source.tolist()
