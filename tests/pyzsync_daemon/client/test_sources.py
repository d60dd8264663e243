"""Old bytes in one address space; whole files that are already here."""

import os
import random

import pytest

from protocol.messages import Flag
from pyzsync_daemon.client.sources import OldBytes, OldFile, stage_copy
from pyzsync_daemon.files.syscalls import Unsupported
from tests.pyzsync_daemon.client.values import new_file

DATA = random.Random(3).randbytes(3 * 2**20)


@pytest.fixture
def replica(client):
    return client.bench._replica


def test_files_follow_each_other(client, replica):
    (client.root / "a").write_bytes(b"0123")
    name = new_file(replica.staging, "b", b"", 3)
    with replica.staging.open(name) as file:
        file.write(0, b"456")
    old = OldBytes(replica, (OldFile("a", 4), OldFile(name, 3, staged=True)))
    assert old.length == 7
    with old.opened():
        assert old.read(0, 7) == b"0123456"
        assert old.read(3, 2) == b"34"
        assert old.read(6, 5) == b"6"
    assert [(base, tree.length) for base, tree in old.trees(0)] == [(0, 4), (4, 3)]


def test_a_copy_goes_from_file_to_file(client, replica):
    (client.root / "a").write_bytes(b"0123")
    (client.root / "b").write_bytes(b"45")
    old = OldBytes(replica, (OldFile("a", 4), OldFile("b", 5)))
    name = new_file(replica.staging, "c", b"", 9)
    with old.opened(), replica.staging.open(name) as staged:
        assert old.copy(2, 3, staged, 1) == 3
        assert old.copy(3, 6, staged, 4) == 3  # "b" has shrunk
        assert staged.read(0, 9) == b"\x00234345\x00\x00"


def test_what_is_gone_or_no_file_gives_nothing(client, replica):
    os.mkfifo(client.root / "pipe")
    (client.root / "shrunk").write_bytes(b"01")
    old = OldBytes(replica, (OldFile("pipe", 4), OldFile("gone", 4), OldFile("shrunk", 4)))
    assert list(old.trees(0)) == []
    with old.opened():
        assert old.read(0, 12) == b""
        assert old.read(8, 4) == b"01"


def test_a_stored_tree_saves_a_read(client, hub, replica, monkeypatch):
    change = hub.file("f", DATA)
    client.apply(change)
    monkeypatch.setattr("pyzsync_daemon.client.sources.hash_descriptor", None)
    old = OldBytes(replica, (OldFile("f", change.size, version=change.version),))
    ((base, tree),) = old.trees(0)
    assert (base, tree.version) == (0, change.version)


@pytest.mark.parametrize("cloning", [True, False])
@pytest.mark.parametrize("flags", [Flag.NONE, Flag.SPARSE])
def test_a_version_that_is_here_is_copied(client, hub, replica, monkeypatch, cloning, flags):
    def unsupported(*args):
        raise Unsupported

    if not cloning:
        monkeypatch.setattr("pyzsync_daemon.client.sources.clone", unsupported)
    data = DATA + bytes(100_000)
    client.apply(hub.file("f", data))
    name = stage_copy(replica, hub.file("g", data, flags=flags))
    assert (client.root / ".pyzsync/staging" / name).read_bytes() == data


@pytest.mark.parametrize("new", [b"other", DATA[:-1] + b"?", None])
def test_a_copy_is_verified(client, hub, replica, new):
    client.apply(hub.file("f", DATA))
    if new is None:
        (client.root / "f").unlink()
    else:
        (client.root / "f").write_bytes(new)
    assert stage_copy(replica, hub.file("g", DATA)) is None
    assert replica.staging.names() == []


def test_the_next_holder_is_tried(client, hub, replica):
    client.apply(hub.file("a", DATA), hub.file("b", DATA))
    (client.root / "a").write_bytes(b"edited")
    assert stage_copy(replica, hub.file("g", DATA)) is not None
