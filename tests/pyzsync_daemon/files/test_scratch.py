"""Columns of a tree that is built in a file: it is the same tree."""

import io
import random

import pytest

from pyzsync import hash_stream
from pyzsync.errors import MissingBlocks
from pyzsync.grid import WINDOW
from pyzsync.hashes import hash_window
from pyzsync.pack import write_tree
from pyzsync.tree import TreeBuilder
from pyzsync_daemon.files import scratch
from pyzsync_daemon.files.scratch import ScratchColumns

DATA = random.Random(11).randbytes(2 * WINDOW + 777)


def packed(tree):
    file = io.BytesIO()
    write_tree(tree, file.write)
    return file.getvalue()


def builder(directory, data, base=None):
    return TreeBuilder(len(data), base, lambda counts: ScratchColumns(directory, counts))


def put(builder, data, window):
    part = data[window * WINDOW : (window + 1) * WINDOW]
    builder.put(window, hash_window(part, builder.base))


@pytest.mark.parametrize("size", [0, 1, 513, WINDOW, len(DATA)])
@pytest.mark.parametrize("base", [None, 2])
def test_the_tree_is_the_one_built_in_memory(tmp_path, size, base):
    data = DATA[:size]
    made = builder(tmp_path, data, base)
    for window in reversed(range(-(-size // WINDOW))):
        put(made, data, window)
    tree = made.finish()
    tree.rest()  # what was given back is there again when it is looked at
    assert packed(tree) == packed(hash_stream(io.BytesIO(data).read, size, base))


def test_a_window_may_be_put_again_when_the_whole_was_wrong(tmp_path):
    wrong = bytearray(DATA)
    wrong[WINDOW] ^= 1
    made = builder(tmp_path, DATA)
    for window in range(3):
        put(made, wrong, window)
    first = made.finish().version
    made.drop_all()
    with pytest.raises(MissingBlocks):
        made.finish()
    for window in range(3):
        put(made, DATA, window)
    version = hash_stream(io.BytesIO(DATA).read, len(DATA)).version
    assert made.finish().version == version != first


def test_nothing_is_left_in_the_directory(tmp_path):
    made = builder(tmp_path, DATA)
    put(made, DATA, 0)
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_an_error(tmp_path, monkeypatch):
    def full(fd, offset, view):
        raise OSError(28, "No space left on device")

    made = builder(tmp_path, DATA)
    monkeypatch.setattr(scratch, "write_fully", full)
    with pytest.raises(OSError, match="No space"):
        put(made, DATA, 0)
    assert not made.complete
