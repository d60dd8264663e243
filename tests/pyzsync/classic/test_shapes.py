import hashlib

import pytest

from pyzsync.classic.errors import BadBlocksize, BadHashlist
from pyzsync.classic.shapes import Entry, check_blocksize, checked_entries, entries

STRONG = hashlib.md5(b"block").digest()


@pytest.mark.parametrize(
    "packed",
    [(3, STRONG), (3, STRONG, 12), (3, STRONG, None, 5), (3, STRONG, 12, 5)],
)
def test_an_entry_survives_unpacking_and_packing(packed):
    assert [entry.pack() for entry in entries({9: [packed]})] == [packed]
    assert [entry.pack() for entry in entries({9: [list(packed)]})] == [packed]


def test_fields():
    assert list(entries({9: [(3, STRONG, None, 5)]})) == [Entry(9, 3, STRONG, None, 5)]


@pytest.mark.parametrize(
    ("weak", "packed", "reason"),
    [
        (-1, (0, STRONG), "32 bits"),
        (1 << 32, (0, STRONG), "32 bits"),
        ("9", (0, STRONG), "32 bits"),
        (9, (0,), "2 to 4 parts"),
        (9, (0, STRONG, 1, 1, 1), "2 to 4 parts"),
        (9, (-1, STRONG), "counts from 0"),
        (9, (0, STRONG[:4]), "16 bytes"),
        (9, (0, "text"), "16 bytes"),
        (9, (0, STRONG, -4), "counts from 0"),
        (9, (0, STRONG, None, 0), "at least one byte"),
    ],
)
def test_bad_entries_are_named(weak, packed, reason):
    with pytest.raises(BadHashlist, match=reason):
        list(entries({weak: [packed]}))


def test_a_short_block_must_fit_the_blocksize():
    with pytest.raises(BadHashlist, match="does not fit blocksize 5"):
        list(checked_entries({9: [(3, STRONG, None, 5)]}, 5))


def test_only_one_block_is_short():
    with pytest.raises(BadHashlist, match="only the last block"):
        list(checked_entries({9: [(3, STRONG, None, 5), (4, STRONG, None, 5)]}, 8))


@pytest.mark.parametrize("blocksize", [0, -1, 2.0, "8", True, None])
def test_bad_blocksize(blocksize):
    with pytest.raises(BadBlocksize):
        check_blocksize(blocksize)


def test_any_whole_number_from_one_up_is_a_blocksize():
    assert [check_blocksize(size) for size in (1, 7, 1 << 40)] == [1, 7, 1 << 40]
