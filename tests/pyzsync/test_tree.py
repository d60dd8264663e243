import io
import random

import pytest
from blake3 import blake3

from pyzsync.errors import MissingBlocks, ShortRead
from pyzsync.grid import LEAF, WINDOW, node_count
from pyzsync.hashes import hash_window
from pyzsync.tree import (
    EMPTY_VERSION,
    TreeBuilder,
    build_tree,
    hash_stream,
    matching_leaves,
    version_of,
    version_of_bytes,
)

DATA = random.Random(2).randbytes(2 * WINDOW + 700)


def tree_of(data, base=None):
    return hash_stream(io.BytesIO(data).read, len(data), base)


def by_definition(data):
    """The version as the specification words it, with nothing of ours."""
    level = [blake3(data[at : at + LEAF]).digest() for at in range(0, max(len(data), 1), LEAF)]
    while len(level) > 1:
        level = [blake3(b"".join(level[at : at + 4])).digest() for at in range(0, len(level), 4)]
    return blake3(len(data).to_bytes(8, "little") + level[0]).digest()


LENGTHS = [0, 1, 511, 512, 513, 2047, 2048, 2049, WINDOW - 1, WINDOW, WINDOW + 1, 2 * WINDOW + 700]


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("base", [0, 1, 2, 6])
def test_the_version_is_as_defined_whatever_is_kept(length, base):
    tree = tree_of(DATA[:length], base)
    assert tree.version == by_definition(DATA[:length])
    assert tree.has(base)
    assert len(tree.hashes(base)) == node_count(length, base)
    assert len(tree.levels[-1]) == min(length, 1)


# The format may not drift: these are what every stored tree and every peer has.
@pytest.mark.parametrize(
    ("data", "version"),
    [
        (b"", "3c87c0b7c57e4a172ded30268128dbf3d1bb240ccbf66d6b3f53849aac65255e"),
        (b"a", "56f720cba13180be51835d7541d0f4edb16c01d5cef9fc61413e620fc18449a3"),
        (bytes(512), "75a4665f1ce5de9119f31016b90d908ba08f0f03b19e2c881623d904f61b265b"),
        (bytes(range(256)) * 9, "29c93b41c14d08f8664768e2931841e4ec1dabe1e141fa24a6450e7535e8a432"),
        (bytes(WINDOW + 1), "f9e06b8591d3aad45072a9d7279a835134de325e4ba1f6a4d4f019a769fd70b1"),
    ],
    ids=["empty", "one byte", "one leaf of zeros", "short last leaf", "two windows"],
)
def test_golden_versions(data, version):
    assert tree_of(data).version.hex() == version


def test_the_empty_file():
    assert tree_of(b"").version == EMPTY_VERSION == version_of(0, blake3(b"").digest())
    assert build_tree(0, []).version == EMPTY_VERSION


def test_length_is_part_of_the_version():
    assert tree_of(bytes(512)).top == blake3(bytes(512)).digest()
    assert version_of(512, bytes(32)) != version_of(511, bytes(32))


def test_appending_leaves_the_hashes_before_as_they_were():
    short, long = tree_of(DATA[: WINDOW + 512]), tree_of(DATA)
    count = len(short.hashes(0))
    assert long.hashes(0, 0, count).equal(short.hashes(0)).all()


@pytest.mark.parametrize("piece", [1000, 4096, WINDOW - 1, WINDOW + 1])
def test_any_chunking_gives_the_same_tree(piece):
    file = io.BytesIO(DATA)
    tree = hash_stream(lambda size: file.read(min(size, piece)), len(DATA))
    assert tree.version == tree_of(DATA).version


def test_cost_of_hashing_is_one_read_a_window_and_one_at_the_end():
    file, sizes = io.BytesIO(DATA), []

    def read(size):
        sizes.append(size)
        return file.read(size)

    hash_stream(read, len(DATA))
    assert sizes == [WINDOW, WINDOW, 700, 1]


def test_a_file_that_shrank_or_grew():
    with pytest.raises(ShortRead) as caught:
        hash_stream(io.BytesIO(DATA[: WINDOW + 5]).read, len(DATA))
    assert (caught.value.expected, caught.value.got) == (len(DATA), WINDOW + 5)
    with pytest.raises(ShortRead) as caught:
        hash_stream(io.BytesIO(DATA).read, 100)
    assert (caught.value.expected, caught.value.got) == (100, 101)


@pytest.mark.parametrize("base", [0, 3])
def test_windows_may_be_put_in_any_order_and_again(base):
    builder = TreeBuilder(len(DATA), base)
    windows = [hash_window(DATA[at : at + WINDOW], base) for at in range(0, len(DATA), WINDOW)]
    builder.put(0, hash_window(bytes(WINDOW), base))
    for window in (2, 1, 0):
        assert not builder.complete
        builder.put(window, windows[window])
        if window:
            assert not builder.complete or window == 1
            builder.drop(0)
    assert builder.finish().version == tree_of(DATA).version
    assert build_tree(len(DATA), windows).version == tree_of(DATA).version


def test_a_builder_names_the_windows_it_lacks():
    builder = TreeBuilder(len(DATA))
    builder.put(1, hash_window(DATA[WINDOW : 2 * WINDOW]))
    with pytest.raises(MissingBlocks) as caught:
        builder.finish()
    assert caught.value.windows == [(0, 1), (2, 3)]
    builder.drop_all()
    with pytest.raises(MissingBlocks) as caught:
        builder.finish()
    assert caught.value.windows == [(0, 3)]


def test_a_builder_refuses_a_window_of_another_length_or_base():
    for hashes in (hash_window(b"short"), hash_window(DATA[:WINDOW], base=1)):
        with pytest.raises(ValueError, match=f"window 0 has {WINDOW} bytes at base 0"):
            TreeBuilder(len(DATA), 0).put(0, hashes)


def test_levels_and_parts_of_them():
    tree = tree_of(DATA, base=1)
    assert [len(level) for level in tree.levels] == [node_count(len(DATA), n) for n in range(1, 8)]
    assert tree.hashes(1, 5, 2).strong_bytes() == tree.hashes(1).strong_bytes()[100:140]
    assert not tree.has(0)
    assert not tree.has(8)
    with pytest.raises(ValueError, match=r"level 0 is not kept \(the finest is 1\)"):
        tree.hashes(0)
    with pytest.raises(ValueError, match="are outside level 7 of 1"):
        tree.hashes(7, 1, 1)


@pytest.mark.parametrize("base", [0, 1])
def test_matching_leaves_tells_which_leaves_still_hold(base):
    data = DATA[:10_000]
    tree = tree_of(data, base)
    now = bytearray(data[2048:])
    now[600] ^= 1
    now[-1] ^= 1
    same = matching_leaves(tree, 4, now)
    wrong = {1, 15} if base == 0 else {0, 1, 2, 3, 12, 13, 14, 15}
    assert set(range(16)) - set(same.nonzero()[0].tolist()) == wrong
    assert len(same) == 16
    assert matching_leaves(tree, 4, data[2048:4096]).all()
    assert matching_leaves(tree, 4, b"").tolist() == []


def test_matching_leaves_keeps_to_the_grid():
    tree = tree_of(DATA[:10_000], base=1)
    for first, data in ((1, DATA[512:2048]), (0, DATA[:600]), (16, DATA[8192:10_048])):
        with pytest.raises(ValueError, match="do not lie on the grid of 10000 bytes"):
            matching_leaves(tree, first, data)


@pytest.mark.parametrize("size", [1, 511, 512, 513, 2048, 2049, 100_000, WINDOW])
def test_the_version_of_a_small_file_needs_no_tree(size):
    data = random.Random(size).randbytes(size)
    assert version_of_bytes(data) == tree_of(data).version
