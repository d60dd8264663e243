"""What is at a path, and when a file has to be read to know."""

import io
import os
import threading

import pytest

from protocol.messages import Kind
from pyzsync import hash_stream
from pyzsync.grid import WINDOW
from pyzsync_daemon.client import compare
from pyzsync_daemon.client.compare import (
    NOTHING,
    Local,
    examine,
    hash_descriptor,
    hash_file,
    kind_of,
    may_hide_an_edit,
    proven,
    same_metadata,
    unproven,
)
from pyzsync_daemon.client.records import Record
from pyzsync_daemon.files.root import Fingerprint

SECOND = 10**9


@pytest.fixture
def replica(client):
    return client.bench._replica


def look(replica, path):
    return examine(replica, path, replica.index.get(path))


def test_what_the_hub_gave_is_ours_and_not_read(client, hub, replica, monkeypatch):
    change = hub.file("f", b"bytes")
    client.apply(change, hub.directory("d"), hub.symlink("l", "t"))
    monkeypatch.setattr("pyzsync_daemon.client.compare.hash_file", None)
    assert look(replica, "f").version == change.version
    assert [look(replica, path).ours for path in "fdl"] == [True, True, True]
    assert look(replica, "missing") == NOTHING


def test_what_somebody_else_made_is_not_ours(client, hub, replica):
    client.apply(hub.file("f", b"bytes"), hub.symlink("l", "t"))
    (client.root / "f").write_bytes(b"other")
    (client.root / "l").unlink()
    (client.root / "l").symlink_to("elsewhere")
    (client.root / "d").mkdir()
    os.mkfifo(client.root / "pipe")
    assert [look(replica, path).ours for path in ("f", "l", "d", "pipe")] == [False] * 4
    assert look(replica, "f").version == hub.file("x", b"other").version
    assert look(replica, "pipe").version == b""


def test_a_touched_file_with_our_bytes_is_ours(client, hub, replica):
    change = hub.file("f", b"bytes")
    client.apply(change)
    os.utime(client.root / "f", ns=(5, 5))
    local = look(replica, "f")
    assert (local.ours, local.version) == (True, change.version)


def test_the_tree_of_a_large_foreign_file_is_stored(client, hub, replica):
    (client.root / "f").write_bytes(bytes(replica.settings.tree_bytes))
    version = look(replica, "f").version
    assert replica.trees.load(version).length == replica.settings.tree_bytes


def test_a_file_that_grows_while_it_is_hashed_has_no_version(client, replica, monkeypatch):
    path = client.root / "f"
    path.write_bytes(b"x" * 1000)
    real = hash_descriptor

    def growing(fd, length, cores):
        with path.open("ab") as file:
            file.write(b"more")
        return real(fd, length, cores)

    monkeypatch.setattr("pyzsync_daemon.client.compare.hash_descriptor", growing)
    assert hash_file(replica, "f") is None
    local = look(replica, "f")
    assert (local.ours, local.version, local.is_a(Kind.FILE)) == (False, b"", True)


def test_a_large_file_is_shared_among_the_cores(client, replica, monkeypatch):
    data = os.urandom(3 * WINDOW + 1)
    (client.root / "f").write_bytes(data)
    threads = set()
    real = compare.read_fully

    def read(fd, offset, size):
        threads.add(threading.current_thread().name.split("_")[0])
        return real(fd, offset, size)

    monkeypatch.setattr(compare, "read_fully", read)
    _, tree = hash_file(replica, "f")
    assert tree.version == hash_stream(io.BytesIO(data).read, len(data)).version
    assert threads == {"core", "MainThread"}  # which looks for the end


def test_what_is_no_file_any_more_is_not_hashed(client, replica):
    os.mkfifo(client.root / "pipe")
    assert hash_file(replica, "pipe") is None
    assert hash_file(replica, "missing") is None


def test_only_old_fingerprints_are_proof():
    found = Fingerprint(1, 2, 10 * SECOND, 20 * SECOND, 0o100644)
    assert proven(found, 23 * SECOND) == found
    assert proven(found, 21 * SECOND) == unproven(found) != found
    assert unproven(found).same_content(found)


@pytest.mark.parametrize(
    ("mtime", "after", "hidden"),
    [
        (5 * SECOND + 1, 10_000_000, True),
        (5 * SECOND + 1, 30_000_000, False),
        (5 * SECOND, 30_000_000, True),  # it may count in whole seconds
        (5 * SECOND, 3 * SECOND, False),
    ],
)
def test_an_edit_hides_within_a_tick(mtime, after, hidden):
    assert may_hide_an_edit(mtime, mtime + after) is hidden


def test_metadata_is_mode_and_mtime(hub):
    file = hub.file("f", b"", mode=0o4755, mtime_ns=7)
    assert same_metadata(file, Fingerprint(1, 0, 7, 9, 0o100755))
    assert not same_metadata(file, Fingerprint(1, 0, 7, 9, 0o104755))
    assert not same_metadata(file, Fingerprint(1, 0, 8, 9, 0o100755))
    assert same_metadata(hub.symlink("l", "t", mtime_ns=7), Fingerprint(1, 0, 7, 9, 0o120755))


def test_kinds_follow_from_modes():
    modes = (0o100644, 0o040755, 0o120777, 0o010644)
    assert [kind_of(mode) for mode in modes] == [Kind.FILE, Kind.DIRECTORY, Kind.SYMLINK, None]
    assert not Local().is_a(Kind.FILE)


def test_a_link_that_goes_away_while_it_is_looked_at_is_not_ours(client, hub, replica, monkeypatch):
    client.apply(hub.symlink("l", "t"))
    record = replica.index.get("l")

    def gone(self, path):
        raise FileNotFoundError(path)

    monkeypatch.setattr("pyzsync_daemon.files.root.Root.readlink", gone)
    assert not examine(replica, "l", record).ours
    assert isinstance(record, Record)
