import random
from dataclasses import replace

from pyzsync import hash_stream
from pyzsync_daemon.loadtest.changes import tree_of
from pyzsync_daemon.loadtest.oldbytes import MemoryOld, MemoryStage, MemoryStaged
from pyzsync_daemon.loadtest.segments import Segments
from pyzsync_daemon.loadtest.shared import Content, Shared
from tests.pyzsync_daemon.client.values import version

DATA = random.Random(1).randbytes(50_000)


def content():
    return Content(tree_of(DATA).version, Segments.of(DATA))


def test_old_bytes_are_read_copied_and_hashed():
    shared = Shared()
    old = MemoryOld(content())
    staged = MemoryStaged(shared, version(9), 60_000)
    with old.opened(), MemoryStage(staged).open("name") as file:
        assert old.copy(1000, 49_000, file, 2000) == 49_000
        file.write(0, b"new")
        assert file.read(0, 5) == b"new\0\0"
    assert staged.bytes.read(2000, 49_000) == DATA[1000:]
    assert old.read(10, 5) == DATA[10:15]
    [(start, tree)] = old.trees(0)
    assert (start, tree.version, old.length) == (0, content().version, 50_000)


def test_a_tree_that_is_known_is_not_made_again():
    tree = tree_of(DATA)
    old = MemoryOld(replace(content(), tree=tree))
    assert [found for _, found in old.trees(tree.base)] == [tree]


def test_without_an_old_file_there_is_nothing():
    shared = Shared()
    for old in (MemoryOld(None), MemoryOld(Content(b"", Segments(0)))):
        assert (old.files, old.length, old.read(0, 9), [*old.trees(0)]) == ((), 0, b"", [])
        assert old.copy(0, 9, MemoryStaged(shared, version(1), 9), 0) == 0


def test_equal_writes_of_two_clients_are_one_piece():
    shared = Shared()
    pieces = []
    for _ in range(2):
        staged = MemoryStaged(shared, version(1), 3)
        staged.write(0, bytes(bytearray(b"abc")))
        staged.write(3, b"")
        pieces.append(next(staged.bytes.pieces())[0])
    assert pieces[0] is pieces[1]


def test_hash_stream_agrees_with_tree_of():
    chunks = iter([DATA, b""])
    assert hash_stream(lambda _: next(chunks), len(DATA)).version == tree_of(DATA).version
