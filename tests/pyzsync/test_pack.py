import io
import random
from dataclasses import replace

import pytest
from blake3 import blake3

from pyzsync import pack
from pyzsync.errors import TreeFormatError
from pyzsync.grid import WINDOW
from pyzsync.pack import MAGIC, open_tree, packed_size, write_tree
from pyzsync.tree import hash_stream

DATA = random.Random(3).randbytes(WINDOW + 3000)


def tree_of(data, base=None):
    return hash_stream(io.BytesIO(data).read, len(data), base)


def packed(tree):
    file = io.BytesIO()
    write_tree(tree, file.write)
    return file.getvalue()


@pytest.mark.parametrize("length", [0, 1, 512, 513, WINDOW, WINDOW + 1, WINDOW + 3000])
@pytest.mark.parametrize("base", [0, 2])
def test_round_trip(length, base):
    tree = tree_of(DATA[:length], base)
    data = packed(tree)
    assert len(data) == packed_size(length, base)
    again = open_tree(data)
    assert (again.version, again.length, again.base) == (tree.version, length, base)
    assert len(again.levels) == len(tree.levels)
    for ours, theirs in zip(tree.levels, again.levels, strict=True):
        assert ours.weak_bytes() == theirs.weak_bytes()
        assert ours.strong_bytes() == theirs.strong_bytes()
    assert packed(again) == data


def test_opening_copies_nothing():
    data = bytearray(packed(tree_of(DATA)))
    tree = open_tree(data)
    data[-1] ^= 1  # the last strong byte of the top node
    assert tree.levels[-1].strong[0, -1] == data[-1]
    assert all(level.weak.flags.aligned for level in tree.levels)


# Of b"golden" * 100: head, check, then two leaves and the node above them, each level's columns.
GOLDEN = (
    "50595a545245453158020000000000000000140000000000b9f75a3db52c294ae502bf64229ab425"
    "eabef60d409ab7ba8be7ad69689c2de86bc5779816af215692903a74f4c2f1a5e139bcd4b21a0c32"
    "e7087d955f8a16a457c1eb33fd13b12335149a1f848ed740bd03bfdeac4daf8346e6afc6d630d898"
    "9e0cc60f8fe60ebb41e932b290d7b6e6346f30cbb9f75a3db52c294ae502bf64229ab425eabef60d"
)


def test_golden_bytes():
    # Trees are kept for years: this may only change with a new magic.
    assert packed(tree_of(b"golden" * 100)).hex() == GOLDEN
    assert (
        blake3(packed(tree_of(bytes(range(256)) * 20_000))).hexdigest()
        == "cc9838294f1c65e77bd6c655680934051834ccb2e5003c657a33180936ff0dd4"
    )


def changed(at, byte):
    data = bytearray(packed(tree_of(DATA[:5000])))
    data[at] = byte
    return bytes(data)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "0 bytes are too few"),
        (MAGIC, "8 bytes are too few"),
        (bytes(500), "it does not begin as one"),
        (changed(15, 255), "it has 424 bytes, not"),
        (changed(16, 7), "its base is 7 and its width 20"),
        (changed(18, 21), "its base is 0 and its width 21"),
        (changed(20, 1), "its base is 0 and its width 20"),
        (changed(8, 1), "its bytes have changed since it was written"),
        (changed(100, 1), "its bytes have changed since it was written"),
        (packed(tree_of(DATA[:5000]))[:-1], "bytes, not 424"),
        (packed(tree_of(DATA[:5000])) + b"x", "bytes, not 424"),
    ],
)
def test_junk_is_named(data, reason):
    with pytest.raises(TreeFormatError, match=reason):
        open_tree(data)


def test_what_was_written_is_given_back_as_it_goes(monkeypatch):
    monkeypatch.setattr(pack, "_PIECE", 4096)
    data, rests = bytes(600 * 512), []
    tree = replace(tree_of(data), rest=lambda: rests.append(1))
    sizes = []
    write_tree(tree, lambda piece: sizes.append(len(piece)))
    assert max(sizes) == 4096
    assert len(rests) == 2 * (
        len(sizes) - 1
    )  # once for the check, once to write; the head has none
