import os
from dataclasses import replace

import pytest

from protocol.messages import Change, Flag, Kind
from pyzsync_daemon.files.root import Fingerprint
from pyzsync_daemon.hub.observed import Observed, describe, kind_of, with_origins
from pyzsync_daemon.hub.records import Record

PRINT = Fingerprint(7, 100, 1, 2, 0o100644)
OLD = Record(Change(1, "old", Kind.FILE, size=100, version=b"v" * 32), PRINT)


def test_kinds(tmp_path):
    (tmp_path / "f").touch()
    (tmp_path / "l").symlink_to("f")
    os.mkfifo(tmp_path / "p")
    found = {path.name: kind_of(path.lstat()) for path in tmp_path.iterdir()}
    assert found == {"f": Kind.FILE, "l": Kind.SYMLINK, "p": None}
    assert kind_of(tmp_path.lstat()) is Kind.DIRECTORY


def test_a_file_is_described_by_what_travels(tmp_path):
    path = tmp_path / "f"
    path.write_bytes(b"x" * 1000)
    path.chmod(0o4751)
    status = path.lstat()
    assert describe("f", status, b"v") == Change(
        0, "f", Kind.FILE, 0o751, status.st_mtime_ns, 1000, b"v"
    )


def test_holes_are_noticed(tmp_path):
    path = tmp_path / "f"
    with path.open("wb") as file:
        file.truncate(1 << 20)
    assert describe("f", path.lstat(), b"v").flags == Flag.SPARSE


def test_directories_and_symlinks_have_no_size(tmp_path):
    (tmp_path / "l").symlink_to("x/y")
    link = (tmp_path / "l").lstat()
    assert describe("l", link, target="x/y") == Change(
        0, "l", Kind.SYMLINK, 0o777, link.st_mtime_ns, target="x/y"
    )
    assert describe("d", tmp_path.lstat()).size == 0


@pytest.mark.parametrize(
    ("fingerprint", "racy", "version", "moved_from"),
    [
        (PRINT, False, b"v" * 32, "old"),  # its directory was moved: nothing to hash
        (PRINT, True, b"", "old"),
        (replace(PRINT, ctime_ns=3), False, b"", "old"),  # it was moved itself
        (replace(PRINT, mtime_ns=3), False, b"", ""),
        (replace(PRINT, ino=8), False, b"", ""),
    ],
)
def test_where_a_file_was_before(fingerprint, racy, version, moved_from):
    seen = Observed("new", Kind.FILE, fingerprint)
    known = replace(OLD, racy=racy)
    assert list(with_origins([seen], [known], lambda _: True)) == [
        replace(seen, version=version, moved_from=moved_from)
    ]


def test_a_version_without_its_tree_is_hashed_again():
    (seen,) = with_origins([Observed("new", Kind.FILE, PRINT)], [OLD], lambda _: False)
    assert seen.version == b""
