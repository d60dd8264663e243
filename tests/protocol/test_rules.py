from dataclasses import replace

import pytest

from protocol import rules, runs
from protocol.errors import Code
from protocol.fields import Wrong
from protocol.messages import (
    Announce,
    BlockQuery,
    Blocks,
    Change,
    Coding,
    Delta,
    DeltaQuery,
    Failed,
    Flag,
    Get,
    Hashlist,
    HashQuery,
    Kind,
    Position,
)

V = 32 * b"v"
FILE = Change(1, "f", Kind.FILE, 0o644, 5, 3, V)
GONE = Change(2, "a", Kind.ABSENT)
LINK = Change(3, "l", Kind.SYMLINK, 0o777, 5, target="f")
FOLDER = Change(4, "d", Kind.DIRECTORY, 0o755, 5)
HASHES = HashQuery(V, 0, 0, runs.encode([(1, 3)]))
HASHLIST = Hashlist(HASHES, 5, bytes(8), bytes(10))
LEAVES = BlockQuery(V, 0, runs.encode([(0, 2), (4, 5)]))
BLOCKS = Blocks(LEAVES, 0, 1, Coding.ZSTD, 1100, b"", b"x")
RAW = Blocks(BlockQuery(V, 0, runs.whole(1)), 0, 1, Coding.RAW, 2, b"", b"ab")
LARGE = Blocks(BlockQuery(V, 0, runs.whole(221)), 0, 3, Coding.ZSTD, 221 * 512, b"", b"x")
NOTHING = Blocks(LEAVES, 0, 1, Coding.RAW, 0, LEAVES.leaves, b"")
DELTA = Delta(DeltaQuery(V, bytes(32)), 0, 2, Coding.RAW, 5, b"abc")


def position(seq):
    return Position(bytes(16), seq, V)


@pytest.mark.parametrize(
    "change", [FILE, GONE, LINK, FOLDER, replace(FOLDER, follows=V), replace(GONE, follows=V)]
)
def test_changes_of_each_kind(change):
    rules.change(change)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (replace(FILE, version=b""), "a file has a version and no target"),
        (replace(FILE, target="x"), "a file has a version and no target"),
        (replace(FOLDER, version=V), "only a file has a version, a size or flags"),
        (replace(LINK, size=1), "only a file has a version, a size or flags"),
        (replace(GONE, flags=Flag.SPARSE), "only a file has a version, a size or flags"),
        (replace(FOLDER, target="x"), "a symlink, and nothing else, has a target"),
        (replace(LINK, target=""), "a symlink, and nothing else, has a target"),
        (replace(GONE, target="x"), "a symlink, and nothing else, has a target"),
        (replace(GONE, mode=1), "what is absent has no mode and no time"),
        (replace(GONE, mtime_ns=1), "what is absent has no mode and no time"),
    ],
)
def test_a_change_with_another_kinds_fields(change, why):
    with pytest.raises(Wrong, match=why):
        rules.change(change)


@pytest.mark.parametrize(
    "announce",
    [
        Announce(()),
        Announce((FILE, GONE), position(2)),
        Announce((GONE, FILE), position(0), snapshot=True),
    ],
)
def test_announces(announce):
    rules.announce(announce)


@pytest.mark.parametrize(
    ("announce", "why"),
    [
        (Announce((GONE, FILE)), "not in ascending order"),
        (Announce((FILE, FILE)), "not in ascending order"),
        (Announce((FILE, GONE), position(1)), "the position is before the last change"),
    ],
)
def test_announces_out_of_order(announce, why):
    with pytest.raises(Wrong, match=why):
        rules.announce(announce)


def test_queries():
    rules.hash_query(HashQuery(V, 27, 0, b"\0\1"))
    rules.hash_query(HashQuery(V, 0, 2**42 - 1, b"\0\1"))
    with pytest.raises(Wrong, match="beyond the largest file"):
        rules.hash_query(HashQuery(V, 1, 2**42 - 1, b"\0\1"))
    with pytest.raises(Wrong, match="the same version"):
        rules.delta_query(DeltaQuery(V, V))
    rules.get(Get((HASHES, LEAVES)))
    with pytest.raises(Wrong, match="names no nodes"):
        rules.get(Get((LEAVES, replace(HASHES, nodes=b"", since=V))))


def test_hashlists():
    rules.hashlist(HASHLIST)
    rules.hashlist(Hashlist(replace(HASHES, nodes=b"", since=V), 5, b"", b""))
    with pytest.raises(Wrong, match="has no nodes"):
        rules.hashlist(Hashlist(replace(HASHES, nodes=b""), 5, b"", b""))
    for column in ({"weak": bytes(7)}, {"strong": bytes(11)}, {"width": 6}):
        with pytest.raises(Wrong, match="do not have 2 rows"):
            rules.hashlist(replace(HASHLIST, **column))


@pytest.mark.parametrize("blocks", [BLOCKS, RAW, NOTHING, LARGE, replace(LARGE, part=2)])
def test_block_sets(blocks):
    rules.blocks(blocks)


@pytest.mark.parametrize(
    ("blocks", "why"),
    [
        (replace(BLOCKS, size=1024), "1024 bytes do not make 3 leaves"),
        (replace(BLOCKS, size=1537), "1537 bytes do not make 3 leaves"),
        (replace(BLOCKS, gone=b"\0\1"), "1100 bytes do not make 2 leaves"),
        (replace(BLOCKS, gone=b"\3\1"), "gone that were not asked for"),
        (replace(BLOCKS, part=1), "part 1 is not one of 1"),
        (replace(BLOCKS, data=b""), "the part has no data"),
        (replace(LARGE, parts=4), "113152 bytes do not need 4 parts"),
        (replace(BLOCKS, parts=2), "1100 bytes do not need 2 parts"),
        (replace(NOTHING, parts=2), "no bytes are one raw part without data"),
        (replace(NOTHING, coding=Coding.ZSTD), "no bytes are one raw part without data"),
        (replace(NOTHING, data=b"x"), "no bytes are one raw part without data"),
        (replace(RAW, data=b"abc"), "not as long as its size says"),
        (replace(RAW, data=b"a"), "not as long as its size says"),
        (replace(RAW, parts=2, data=b"abc"), "not as long as its size says"),
    ],
)
def test_block_sets_that_contradict_themselves(blocks, why):
    with pytest.raises(Wrong, match=why):
        rules.blocks(blocks)


def test_deltas_and_failures():
    rules.part(DELTA)
    with pytest.raises(Wrong, match="part 2 is not one of 2"):
        rules.part(replace(DELTA, part=2))
    rules.failed(Failed(HASHES, Code.GONE))
    with pytest.raises(Wrong, match="nothing failed"):
        rules.failed(Failed(HASHES, Code.NORMAL))
