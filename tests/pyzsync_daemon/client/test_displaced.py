"""What was displaced: the attic for the hub's, conflicts for everything else."""

import os

import pytest

from pyzsync_daemon.client.displaced import all_ours, put_away
from pyzsync_daemon.client.records import Intent
from pyzsync_daemon.client.staging import STAGING
from pyzsync_daemon.files.root import Fingerprint


@pytest.fixture
def replica(client):
    return client.bench._replica


@pytest.fixture
def displace(client, hub, replica):
    """Move a path to staging as a commit would; the intent that goes with it."""

    def move(path, ours=True, version=None):
        expected = Fingerprint.of(os.lstat(client.root / path))
        record = replica.index.get(path)
        version = record.change.version if version is None and record is not None else b""
        (client.root / path).rename(client.root / STAGING / "name")
        return Intent(hub.absent(path), "name", None, expected, ours, version)

    return move


def test_the_hubs_file_goes_to_the_attic(client, hub, replica, displace):
    change = hub.file("f", b"bytes")
    client.apply(change)
    assert put_away(replica, displace("f"), "name") == ""
    assert replica.attic.find(change.version)
    assert client.private("staging") == {}


@pytest.mark.parametrize("prove", [True, False])
def test_other_bytes_under_the_same_fingerprint_are_found_when_asked(
    client, hub, replica, displace, prove
):
    client.apply(hub.file("f", b"bytes"))
    status = os.lstat(client.root / "f")
    with (client.root / "f").open("r+b") as file:
        file.write(b"other")
    os.utime(client.root / "f", ns=(status.st_atime_ns, status.st_mtime_ns))
    kept = put_away(replica, displace("f"), "name", prove=prove)
    assert bool(kept) is prove


def test_what_is_not_ours_goes_aside_unseen(client, replica, displace):
    (client.root / "f").write_bytes(b"mine")
    kept = put_away(replica, displace("f", ours=False), "name")
    assert (client.root / kept).read_bytes() == b"mine"


def test_a_link_of_ours_goes_and_another_is_kept(client, hub, replica, displace):
    client.apply(hub.symlink("l", "t"))
    assert put_away(replica, displace("l"), "name") == ""
    (client.root / "l").symlink_to("mine")
    kept = put_away(replica, displace("l", ours=False), "name")
    assert str((client.root / kept).readlink()) == "mine"


def test_nothing_displaced_is_nothing_to_do(replica, hub):
    intent = Intent(hub.absent("f"), "name", None, None, False, b"")
    assert put_away(replica, intent, "name") == ""


def test_a_directory_of_ours_is_taken_apart(client, hub, replica, displace):
    inner = hub.file("d/e/f", b"bytes")
    client.apply(hub.directory("d"), hub.directory("d/e"), inner, hub.symlink("d/l", "t"))
    assert all_ours(replica, "d")
    assert put_away(replica, displace("d"), "name") == ""
    assert replica.attic.find(inner.version)
    assert not (client.root / STAGING / "name").exists()


@pytest.mark.parametrize(
    "edit",
    [
        lambda root: (root / "d/mine").write_bytes(b"mine"),
        lambda root: (root / "d/e/f").write_bytes(b"mine"),
        lambda root: (root / "d/e").rename(root / "d/other"),
        lambda root: ((root / "d/l").unlink(), (root / "d/l").symlink_to("mine")),
        lambda root: ((root / "d/l").unlink(), (root / "d/l").mkdir()),
    ],
)
def test_a_directory_with_anything_else_in_it_goes_aside_whole(
    client, hub, replica, displace, edit
):
    client.apply(hub.directory("d"), hub.directory("d/e"), hub.file("d/e/f", b"bytes"))
    client.apply(hub.symlink("d/l", "t"))
    edit(client.root)
    before = sorted(
        str(path.relative_to(client.root / "d")) for path in (client.root / "d").rglob("*")
    )
    assert not all_ours(replica, "d")
    kept = client.root / put_away(replica, displace("d"), "name")
    assert sorted(str(path.relative_to(kept)) for path in kept.rglob("*")) == before


def test_what_comes_in_while_it_is_taken_apart_is_kept(client, hub, replica, displace, monkeypatch):
    client.apply(hub.directory("d"), hub.file("d/f", b"bytes"))
    (client.root / "d/mine").write_bytes(b"mine")
    known = {"d/f": (replica.index.get("d/f"), Fingerprint.of((client.root / "d/f").stat()))}
    monkeypatch.setattr("pyzsync_daemon.client.displaced._ours", lambda *args: known)
    kept = client.root / put_away(replica, displace("d"), "name")
    assert (kept / "mine").read_bytes() == b"mine"


@pytest.mark.parametrize("path", ["f", "d/f"])
def test_what_is_written_after_it_was_looked_at_is_not_lost(
    client, hub, replica, displace, monkeypatch, path
):
    """An application may still have the hub's file open."""
    client.reopen(attic_bytes=0)
    replica = client.bench._replica
    client.apply(hub.directory("d"), hub.file(path, b"bytes"))
    keep = replica.attic.keep

    with (client.root / path).open("r+b") as writer:

        def write_and_keep(*args):
            writer.write(b"late!")
            writer.flush()
            keep(*args)

        monkeypatch.setattr(
            "pyzsync_daemon.client.attic.Attic.keep", lambda _, *a: write_and_keep(*a)
        )
        top = path.split("/")[0]
        record = replica.index.get(path)
        expected = Fingerprint.of(os.lstat(client.root / top))
        (client.root / top).rename(client.root / STAGING / "name")
        intent = Intent(hub.absent(top), "name", None, expected, True, record.change.version)
        put_away(replica, intent, "name")
    assert client.conflicts() == [b"late!"]


def test_a_directory_that_cannot_be_looked_into_goes_aside_whole(
    client, hub, replica, displace, monkeypatch
):
    client.apply(hub.directory("d"), hub.directory("d/e"), hub.file("d/e/f", b"bytes"))

    def closed(fd, name):
        raise PermissionError(13, "Permission denied")

    intent = displace("d")
    monkeypatch.setattr("pyzsync_daemon.client.displaced._open_directory", closed)
    kept = put_away(replica, intent, "name")
    assert (client.root / kept / "e/f").read_bytes() == b"bytes"
