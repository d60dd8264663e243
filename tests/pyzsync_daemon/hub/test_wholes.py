"""Small files that are asked for whole."""

import os
import random

import pytest

from protocol import runs
from protocol.messages import BlockQuery, DeltaQuery, HashQuery, PublishedQuery
from pyzsync.grid import LEAF
from pyzsync_daemon.hub.wholes import LITTLE, WholeReader, asks_for_little
from pyzsync_daemon.tally import Tally

DATA = random.Random(1).randbytes(3 * LEAF + 100)
ALL = runs.whole(4)


@pytest.fixture
def reader(disk):
    return WholeReader(disk.root, disk.index, Tally())


def whole(tree, leaves=ALL, window=0):
    return BlockQuery(tree.version, window, leaves)


def test_files_are_read_once_and_whole(disk, reader):
    contents = [DATA[number:] for number in range(40)]
    trees = [disk.publish(f"d/{number}", data) for number, data in enumerate(contents)]
    queries = [whole(tree) for tree in trees]
    assert reader.find(queries) == dict(zip(queries, contents, strict=True))
    assert (reader._reads.count, reader._reads.bytes) == (40, sum(map(len, contents)))


def test_they_are_looked_up_together(disk, reader):
    queries = [whole(disk.publish(str(number), DATA[number:])) for number in range(40)]
    asked = []
    disk.index._connection.set_trace_callback(asked.append)
    assert len(reader.find(queries)) == 40
    assert len(asked) == 1


def test_a_file_that_is_not_what_was_announced_is_not_found(disk, reader):
    for edit in (b"", DATA[:-1], DATA + b"1", DATA[:-1] + b"x", DATA * 100):
        tree = disk.publish("f", DATA)
        assert reader.find([whole(tree)]) == {whole(tree): DATA}
        (disk.path / "f").write_bytes(edit)
        assert reader.find([whole(tree)]) == {}


def a_pipe(path):
    os.mkfifo(path)


def a_directory(path):
    path.mkdir()


def a_symlink(path):
    path.symlink_to("elsewhere")


def nothing(path):
    pass


@pytest.mark.parametrize("put", [a_pipe, a_directory, a_symlink, nothing])
def test_what_is_no_file_is_not_found(disk, reader, put):
    tree = disk.publish("f", DATA)
    (disk.path / "f").unlink()
    put(disk.path / "f")
    assert reader.find([whole(tree)]) == {}


def test_other_questions_are_for_others(disk, reader):
    tree = disk.publish("f", DATA)
    large = disk.publish("large", bytes(LITTLE + 1))
    others = [
        whole(tree, runs.whole(3)),
        whole(tree, runs.encode([(1, 4)])),
        whole(tree, window=1),
        whole(large, runs.whole(LITTLE // LEAF + 1)),
        BlockQuery(bytes(32), 0, ALL),
        HashQuery(tree.version, 0, 0, ALL),
        PublishedQuery("f", tree.version),
        DeltaQuery(bytes(32), tree.version),
    ]
    assert reader.find(others) == {}


def test_little_is_what_is_quickly_made():
    assert asks_for_little(BlockQuery(bytes(32), 7, runs.whole(LITTLE // LEAF)))
    assert not asks_for_little(BlockQuery(bytes(32), 7, runs.whole(LITTLE // LEAF + 1)))
    assert asks_for_little(PublishedQuery("f", bytes(32)))
    assert not asks_for_little(DeltaQuery(bytes(32), 32 * b"n"))
