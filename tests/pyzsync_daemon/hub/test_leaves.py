import os
import random
import shutil
from pathlib import Path

import pytest

from pyzsync.grid import LEAF, WINDOW
from pyzsync_daemon.hub.leaves import LeafReader

DATA = random.Random(7).randbytes(100 * LEAF + 77)  # 101 leaves, the last one short
LAST = 100


class Reader:
    """A leaf reader, and what it said was stale."""

    def __init__(self, disk):
        self.stale = []
        self.leaves = LeafReader(disk.root, disk.index, self.stale.append)

    def find(self, tree, asked, window=0):
        """The bytes by first leaf, and what is gone."""
        pieces, gone = self.leaves.find(tree, window, asked)
        return {piece.first: bytes(piece.data) for piece in pieces}, gone


@pytest.fixture
def reader(disk):
    return Reader(disk)


def leaves(data, start, stop):
    return data[start * LEAF : stop * LEAF]


def test_reads_what_was_asked_and_nothing_else(disk, reader):
    tree = disk.publish("a", DATA)
    found, gone = reader.find(tree, [(3, 5), (60, 61), (99, 101)])
    assert found == {3: leaves(DATA, 3, 5), 60: leaves(DATA, 60, 61), 99: leaves(DATA, 99, 101)}
    assert (gone, reader.stale) == ([], [])
    assert (reader.leaves.reads.count, reader.leaves.reads.bytes) == (3, 4 * LEAF + 77)


def test_the_second_window_of_a_file(disk, reader):
    data = random.Random(8).randbytes(WINDOW + 3 * LEAF + 1)
    tree = disk.publish("a", data)
    found, gone = reader.find(tree, [(1, 2), (3, 4)], window=1)
    second = data[WINDOW:]
    assert (found, gone) == ({1: leaves(second, 1, 2), 3: second[-1:]}, [])
    assert (reader.leaves.reads.count, reader.leaves.reads.bytes) == (2, LEAF + 1)


def test_coarse_trees_are_checked_by_whole_nodes(disk, reader):
    tree = disk.publish("a", DATA, base=2)
    found, gone = reader.find(tree, [(17, 18), (LAST, LAST + 1)])
    assert found == {17: leaves(DATA, 17, 18), LAST: leaves(DATA, LAST, LAST + 1)}
    assert gone == []
    # Nodes of 16 leaves: 16 to 31, and 96 to the end.
    assert (reader.leaves.reads.count, reader.leaves.reads.bytes) == (2, 16 * LEAF + 4 * LEAF + 77)


def test_a_file_that_moved_on_still_gives_what_holds(disk, reader):
    tree = disk.publish("a", DATA)
    edited = bytearray(DATA)
    edited[10 * LEAF] ^= 1
    edited[LAST * LEAF] ^= 1
    (disk.path / "a").write_bytes(edited)
    found, gone = reader.find(tree, [(9, 12), (LAST - 1, LAST + 1)])
    assert found == {
        9: leaves(DATA, 9, 10),
        11: leaves(DATA, 11, 12),
        LAST - 1: leaves(DATA, LAST - 1, LAST),
    }
    assert gone == [(10, 11), (LAST, LAST + 1)]
    assert reader.stale == ["a"]


def test_in_a_coarse_tree_one_byte_disowns_its_node(disk, reader):
    tree = disk.publish("a", DATA, base=1)
    (disk.path / "a").write_bytes(b"!" + DATA[1:])
    found, gone = reader.find(tree, [(0, 6)])
    assert (found, gone) == ({4: leaves(DATA, 4, 6)}, [(0, 4)])


@pytest.mark.parametrize("base", [0, 1, 3])
@pytest.mark.parametrize("length", [0, 1, LEAF, 70 * LEAF - 1, 70 * LEAF, 70 * LEAF + 1])
def test_a_file_that_shrank_gives_its_whole_nodes(disk, reader, base, length):
    tree = disk.publish("a", DATA, base=base)
    os.truncate(disk.path / "a", length)
    held = length // LEAF // 4**base * 4**base
    found, gone = reader.find(tree, [(0, LAST + 1)])
    assert b"".join(found.values()) == DATA[: held * LEAF]
    assert gone == [(held, LAST + 1)]
    assert reader.stale == ["a"]


def test_a_file_that_grew_gives_everything_it_had(disk, reader):
    tree = disk.publish("a", DATA)
    (disk.path / "a").write_bytes(DATA + b"more")
    found, gone = reader.find(tree, [(0, LAST + 1)])
    assert (found, gone, reader.stale) == ({0: DATA}, [], [])


def removed(path, outside):
    path.unlink()


def symlink_to_outside(path, outside):
    path.unlink()
    path.symlink_to(outside / "f")


def parent_symlink_to_outside(path, outside):
    shutil.rmtree(path.parent)
    path.parent.symlink_to(outside)


def parent_is_a_file(path, outside):
    shutil.rmtree(path.parent)
    path.parent.write_bytes(DATA)


def directory(path, outside):
    path.unlink()
    path.mkdir()


def pipe_without_a_writer(path, outside):
    path.unlink()
    os.mkfifo(path)


@pytest.mark.parametrize(
    "replace",
    [
        removed,
        symlink_to_outside,
        parent_symlink_to_outside,
        parent_is_a_file,
        directory,
        pipe_without_a_writer,
    ],
)
def test_what_is_no_longer_our_file_gives_nothing(disk, reader, tmp_path, replace):
    tree = disk.publish("d/f", DATA)
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "f").write_bytes(DATA)  # the very bytes that are asked for, but not published
    replace(disk.path / "d" / "f", outside)
    assert reader.find(tree, [(0, 5)]) == ({}, [(0, 5)])
    assert reader.stale == ["d/f"]
    assert reader.leaves.reads.bytes == 0


def test_a_superseded_version_is_served_from_what_follows_it(disk, reader):
    tree = disk.publish("a", DATA)
    disk.publish("a", DATA[: 50 * LEAF] + b"new" + DATA[50 * LEAF + 3 :])
    found, gone = reader.find(tree, [(49, 52)])
    assert found == {49: leaves(DATA, 49, 50), 51: leaves(DATA, 51, 52)}
    assert gone == [(50, 51)]
    assert reader.stale == []  # the index knows that the file has moved on


def test_what_one_file_lost_another_may_have(disk, reader):
    tree = disk.publish("a", DATA)
    disk.publish("b", DATA)
    disk.publish("a", DATA[: 9 * LEAF] + b"!" * LEAF + DATA[10 * LEAF :])
    disk.publish("b", b"!" * LEAF + DATA[LEAF:])  # the later one is looked into first
    found, gone = reader.find(tree, [(0, 10)])
    assert gone == []
    assert b"".join(found.values()) == leaves(DATA, 0, 10)
    assert list(found) == sorted(found)


def test_a_version_that_is_nowhere_is_gone(disk, reader):
    tree = disk.publish("a", DATA)
    disk.delete("a")
    assert reader.find(tree, [(0, 101)]) == ({}, [(0, 101)])
    assert (reader.leaves.reads.count, reader.stale) == (0, [])


def test_no_descriptor_stays_open(disk, reader):
    tree = disk.publish("a", DATA)
    before = len(list(Path("/proc/self/fd").iterdir()))
    reader.find(tree, [(0, 10)])
    os.truncate(disk.path / "a", 0)
    reader.find(tree, [(0, 10)])
    (disk.path / "a").unlink()
    os.mkfifo(disk.path / "a")
    reader.find(tree, [(0, 10)])
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_a_failing_disk_is_an_error_and_not_a_gone_leaf(disk, reader, monkeypatch):
    tree = disk.publish("a", DATA)

    def pread(fd, size, offset):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "pread", pread)
    with pytest.raises(OSError, match="Input/output"):
        reader.find(tree, [(0, 10)])
    assert reader.stale == []
