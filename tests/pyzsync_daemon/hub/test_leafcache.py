import io
import random
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyzsync.grid import LEAF
from pyzsync.runs import mask_of, runs_of
from pyzsync.tree import hash_stream
from pyzsync_daemon.hub.leafcache import GAP, LeafCache
from pyzsync_daemon.hub.leaves import LeafReader, Piece
from pyzsync_daemon.tally import Tally

DATA = random.Random(7).randbytes(300 * LEAF + 77)  # 301 leaves, the last one short


@pytest.fixture
def cache(disk):
    return LeafCache(LeafReader(disk.root, disk.index, lambda path: None))


def bytes_of(pieces):
    return b"".join(piece.data for piece in pieces)


def leaves(runs):
    return b"".join(DATA[start * LEAF : stop * LEAF] for start, stop in runs)


def test_near_runs_share_a_read(disk, cache):
    tree = disk.publish("a", DATA)
    asked = [(0, 1), (1 + GAP, 2 + GAP), (3 + 2 * GAP, 4 + 2 * GAP)]
    pieces, gone = cache.find(tree, 0, asked)
    assert [piece.first for piece in pieces] == [start for start, _ in asked]
    assert (bytes_of(pieces), gone) == (leaves(asked), [])
    assert (cache.reads.count, cache.reads.bytes) == (2, (2 + GAP + 1) * LEAF)


def test_sets_that_overlap_share_the_reading(disk, cache):
    tree = disk.publish("a", DATA)
    for asked in ([(0, 100)], [(50, 301)], [(0, 1), (99, 101), (300, 301)], [(0, 301)]):
        pieces, gone = cache.find(tree, 0, asked)
        assert (bytes_of(pieces), gone) == (leaves(asked), [])
    assert (cache.reads.count, cache.reads.bytes) == (2, len(DATA))


def test_leaves_that_are_gone_are_named_and_looked_for_again(disk, cache):
    tree = disk.publish("a", DATA)
    edited = bytearray(DATA)
    edited[10 * LEAF] ^= 1
    (disk.path / "a").write_bytes(edited)
    for _ in range(2):
        pieces, gone = cache.find(tree, 0, [(9, 12)])
        assert ([piece.first for piece in pieces], gone) == ([9, 11], [(10, 11)])
    (disk.path / "a").write_bytes(DATA)
    pieces, gone = cache.find(tree, 0, [(9, 12)])
    assert (bytes_of(pieces), gone) == (leaves([(9, 12)]), [])


def test_a_leaf_between_that_nobody_asked_for_is_not_named_as_gone(disk, cache):
    tree = disk.publish("a", DATA)
    edited = bytearray(DATA)
    edited[10 * LEAF] ^= 1
    (disk.path / "a").write_bytes(edited)
    pieces, gone = cache.find(tree, 0, [(9, 10), (11, 12)])
    assert (bytes_of(pieces), gone) == (leaves([(9, 10), (11, 12)]), [])


def test_of_a_coarser_tree_whole_nodes_are_kept(disk, cache):
    """They had to be read to be checked: to keep less would not free them."""
    tree = disk.publish("a", DATA, base=2)
    for leaf in (3, 0, 15):
        pieces, gone = cache.find(tree, 0, [(leaf, leaf + 1)])
        assert (bytes_of(pieces), gone) == (leaves([(leaf, leaf + 1)]), [])
    assert (cache.reads.count, cache.reads.bytes) == (1, 16 * LEAF)


def test_what_is_kept_is_bounded(disk):
    cache = LeafCache(LeafReader(disk.root, disk.index, lambda path: None), max_bytes=len(DATA))
    tree = disk.publish("a", DATA)
    cache.find(tree, 0, [(0, 301)])
    cache.find(tree, 0, [(0, 301)])
    assert cache.reads.bytes == 2 * len(DATA)


class Slow:
    """A reader that counts how often each leaf was read, and takes its time."""

    def __init__(self):
        self.reads = Tally()
        self.times = [0] * 301

    def find(self, tree, window, asked):
        threading.Event().wait(0.001)
        for start, stop in asked:
            for leaf in range(start, stop):
                self.times[leaf] += 1
        view = memoryview(DATA)
        return [Piece(start, view[start * LEAF : stop * LEAF]) for start, stop in asked], []


@given(st.lists(st.sets(st.integers(0, 300), min_size=1), min_size=1, max_size=8))
def test_each_leaf_is_read_once_whatever_is_asked_at_the_same_time(sets):
    tree = hash_stream(io.BytesIO(DATA).read, len(DATA))
    slow = Slow()
    cache = LeafCache(slow)
    runs = []
    for chosen in sets:
        mask = mask_of([], 301)
        mask[sorted(chosen)] = True
        runs.append(runs_of(mask))
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda asked: cache.find(tree, 0, asked), runs))
    for asked, (pieces, gone) in zip(runs, found, strict=True):
        assert (bytes_of(pieces), gone) == (leaves(asked), [])
    assert max(slow.times) == 1
