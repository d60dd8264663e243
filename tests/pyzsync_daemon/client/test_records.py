import pytest

from protocol.messages import Change, Flag, Kind
from pyzsync_daemon.client.records import CHANGE, to_change, to_row


@pytest.mark.parametrize(
    "change",
    [
        Change(7, "a/b", Kind.FILE, 0o640, -5, 12, b"v" * 32, flags=Flag.SPARSE),
        Change(2**63 - 1, "l", Kind.SYMLINK, 0o777, 1, target="to/\udcff"),
        Change(1, "\udcfe", Kind.ABSENT),
    ],
)
def test_a_change_comes_back_from_its_row(change):
    row = to_row(change)
    assert len(row) == len(CHANGE.split(", "))
    assert to_change(row) == change


def test_what_a_change_followed_is_not_kept():
    change = Change(1, "a", Kind.FILE, version=b"v" * 32, follows=b"u" * 32)
    assert to_change(to_row(change)).follows == b""
