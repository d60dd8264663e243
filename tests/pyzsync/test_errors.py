import pytest

from pyzsync.errors import (
    BadDelta,
    MissingBlocks,
    PyzsyncError,
    ShortRead,
    TreeFormatError,
    VersionMismatch,
)


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (ShortRead(9, 4), "the input ended after 4 of 9 bytes; read it again"),
        (ShortRead(9, 10), "the input goes on after its 9 bytes; it grew, so read it again"),
        (TreeFormatError("why"), "not a usable hash tree: why; hash the file again"),
        (
            MissingBlocks([(2, 4), (6, 7)]),
            "3 windows have not been checked, the first is 2; check them first",
        ),
        (
            VersionMismatch(b"\x01" * 32, b"\x02" * 32),
            "the bytes are version 0202020202020202, not 0101010101010101; "
            "fetch the finest hashes and check every window again",
        ),
        (BadDelta("why"), "not a usable delta: why; ask for hashes and blocks instead"),
    ],
)
def test_every_sentence(error, sentence):
    assert isinstance(error, PyzsyncError)
    assert str(error) == sentence


def test_facts_are_in_fields():
    assert (ShortRead(9, 4).expected, ShortRead(9, 4).got) == (9, 4)
    assert TreeFormatError("why").reason == BadDelta("why").reason == "why"
    assert MissingBlocks([(2, 4)]).windows == [(2, 4)]
    mismatch = VersionMismatch(b"a", b"b")
    assert (mismatch.wanted, mismatch.found) == (b"a", b"b")
