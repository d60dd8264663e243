"""The whole tree against the whole index."""

import errno
import os

import pytest

from pyzsync_daemon.client import census
from pyzsync_daemon.files.root import Root


@pytest.fixture
def replica(client, hub):
    client.apply(
        hub.directory("d"),
        hub.file("d/f", b"bytes"),
        hub.file("d.x", b"between"),
        hub.directory("d/e", mode=0o700),
        hub.symlink("l", "t"),
    )
    return client.bench._replica


def paths(changes):
    return sorted(change.path for change in changes)


def test_nothing_differs_from_what_was_just_made(replica):
    assert census.differing(replica, set()) == []


def test_a_file_whose_content_is_right_is_read_once(client, replica, monkeypatch):
    path = client.root / "d/f"
    status = path.stat()
    path.write_bytes(b"bytes")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    monkeypatch.setattr(census, "proven", lambda fingerprint, now: fingerprint)
    assert census.differing(replica, set()) == []
    monkeypatch.setattr(census, "examine", None)
    assert census.differing(replica, set()) == []


@pytest.mark.parametrize(
    ("edit", "lost"),
    [
        (lambda root: (root / "d/f").write_bytes(b"other"), ["d/f"]),
        (lambda root: (root / "d").rename(root / "moved"), ["d", "d/e", "d/f"]),
        (lambda root: (root / "d/e").chmod(0o755), ["d/e"]),
        (lambda root: (root / "l").unlink(), ["l"]),
        (lambda root: (root / "d/mine").write_bytes(b"mine"), []),
        (lambda root: os.utime(root / "d", ns=(5, 5)), []),
        (lambda root: os.utime(root / "d/f", ns=(5, 5)), ["d/f"]),
    ],
)
def test_what_was_lost_is_named(client, replica, edit, lost):
    edit(client.root)
    assert paths(census.differing(replica, set())) == lost
    assert census.differing(replica, set(lost)) == []


def test_a_snapshot_leaves_out_what_it_does_not_name(replica):
    assert paths(census.left_out(replica, {"d", "d/f"})) == ["d.x", "d/e", "l"]


def test_foreign_entries_are_named_from_the_top(client, replica):
    (client.root / "mine/deep").mkdir(parents=True)
    (client.root / "mine/deep/f").touch()
    (client.root / "d/mine").touch()
    (client.root / "new/parent").mkdir(parents=True)
    (client.root / "new/parent/announced").touch()
    found = census.foreign(replica, {"new/parent/announced"})
    assert paths(found) == ["d/mine", "mine"]


def test_a_directory_that_vanishes_during_the_walk_holds_nothing(client, replica, monkeypatch):
    known = set(replica.index.paths()) | {"gone"}
    (client.root / "gone").mkdir()
    real = census._unknown

    def vanishing(replica, folder, known):
        if folder == "gone":
            (client.root / "gone").rmdir()
        return real(replica, folder, known)

    monkeypatch.setattr(census, "_unknown", vanishing)
    assert paths(census.foreign(replica, known)) == []


def test_one_closed_directory_does_not_blind_the_rest(client, replica, monkeypatch):
    (client.root / "l").unlink()
    walk = Root._walk

    def closed(self, parts, path):
        if parts[:1] == ["d"]:
            raise PermissionError(errno.EACCES, "Permission denied")
        return walk(self, parts, path)

    monkeypatch.setattr(Root, "_walk", closed)
    changes = census.differing(replica, set())
    assert paths(changes) == ["d/e", "d/f", "l"]
    outcomes = client.prepare(*changes)
    assert outcomes["d/f"].error == "d/f: Permission denied"


def test_one_closed_file_does_not_blind_the_rest(client, replica, monkeypatch):
    (client.root / "d/f").write_bytes(b"other")
    (client.root / "l").unlink()
    real = census.examine

    def failing(replica, path, record):
        if path == "d/f":
            raise OSError(errno.EIO, "Input/output error")
        return real(replica, path, record)

    monkeypatch.setattr(census, "examine", failing)
    assert paths(census.differing(replica, set())) == ["d/f", "l"]
