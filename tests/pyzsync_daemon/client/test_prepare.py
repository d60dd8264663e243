"""What Prepare says of a change, and what it leaves on disk."""

import os
from dataclasses import replace

import pytest

from protocol.messages import Flag
from pyzsync_daemon.client.effects import State
from pyzsync_daemon.client.staging import PART


def test_nothing_in_the_tree_is_changed(client, hub):
    (client.root / "f").write_bytes(b"mine")
    before = client.tree()
    client.prepare(hub.file("f", b"hub's"), hub.directory("d"), hub.absent("f2"))
    assert client.tree() == before


@pytest.mark.parametrize("flags", [Flag.NONE, Flag.SPARSE])
def test_a_file_that_cannot_fit_is_refused_before_it_is_begun(client, hub, flags):
    change = replace(hub.file("f", b"x", flags=flags), size=2**60)
    outcome = client.prepare(change)["f"]
    assert outcome.state is State.FAILED
    assert outcome.error.startswith("f: needs 1,152,921,504,606,846,976 bytes of disk, ")
    assert outcome.error.endswith("more than are free; make room, it is tried again")
    assert client.private("staging") == {}


def test_running_transfers_reserve_their_room(client, hub):
    disk = os.statvfs(client.root)
    free = disk.f_bavail * disk.f_frsize
    first = replace(hub.file("a", b"x"), size=free * 2 // 3)
    second = replace(hub.file("b", b"y"), size=free * 2 // 3)
    if first.size > 2**43:
        pytest.skip("this disk is larger than a file may be")
    assert client.prepare(first)["a"].state is State.PULL
    assert client.prepare(second)["b"].state is State.FAILED


class Disk:
    """Has ``size`` bytes in all, of which the replica's files take some."""

    f_frsize = 1

    def __init__(self, root, size):
        self.root, self.f_blocks = root, size

    @property
    def f_bavail(self):
        files = [path for path in self.root.rglob("*") if path.is_file()]
        used = (path.stat().st_blocks * 512 for path in files if "sqlite" not in path.name)
        return self.f_blocks - sum(used)


@pytest.fixture
def disk(client, monkeypatch):
    disk = Disk(client.root, 3 * 2**20)
    monkeypatch.setattr(os, "statvfs", lambda fd: disk)
    return disk


def begin(client, hub, change):
    """Most of a transfer, and a crash."""
    outcome = client.prepare(change)["f"]
    client.bench.put(hub.put(change, outcome.plan.blocks[0]))
    client.reopen()


def test_what_is_left_of_a_file_does_not_take_its_own_room(client, hub, disk):
    change = hub.file("f", os.urandom(2**21 + 2**19))
    begin(client, hub, change)
    client.apply(change)
    assert client.private("staging") == {}


def test_what_is_left_is_kept_if_the_file_does_not_fit_without_it_either(client, hub, disk):
    change = hub.file("f", os.urandom(2**21 + 2**19))
    begin(client, hub, change)
    disk.f_blocks = 2**21
    assert client.prepare(change)["f"].state is State.FAILED
    disk.f_blocks = 2**23
    hub.leaves_sent = 0
    client.apply(change)
    assert hub.leaves_sent == 1024


def test_a_sparse_transfer_does_not_take_the_room_of_others(client, hub, disk):
    """It may be longer than the disk; what it will take is not known."""
    sparse = replace(hub.file("s", b"x", flags=Flag.SPARSE), size=10 * disk.f_blocks)
    assert client.prepare(sparse)["s"].state is State.PULL
    assert client.prepare(hub.file("f", b"x"))["f"].state is State.PULL
    other = replace(hub.file("t", b"y", flags=Flag.SPARSE), size=10 * disk.f_blocks)
    assert client.prepare(other)["t"].state is State.FAILED


def test_a_foreign_file_is_named_by_its_version(client, hub):
    (client.root / "f").write_bytes(b"mine")
    outcome = client.prepare(hub.file("f", b"hub's"))["f"]
    assert (outcome.state, outcome.local) == (State.PULL, hub.file("x", b"mine").version)
    assert client.prepare(hub.directory("f"))["f"].local == outcome.local
    assert client.prepare(hub.file("f", b"mine"))["f"].local == b""


def test_deletions_of_what_is_not_there_are_done(client, hub):
    client.apply(hub.file("f", b""), hub.file("g", b""))
    (client.root / "f").unlink()
    assert client.prepare(hub.absent("f"))["f"].state is State.SATISFIED
    assert client.bench._replica.index.get("f") is None
    assert client.prepare(hub.absent("never"))["never"].state is State.SATISFIED


def test_what_was_never_published_is_not_deleted(client, hub):
    (client.root / "mine").write_bytes(b"mine")
    assert client.prepare(hub.absent("mine"))["mine"].state is State.SATISFIED
    assert client.tree() == {"mine": b"mine"}


def test_a_kind_change_with_local_files_in_the_way_can_be_refused(client, hub):
    client.reopen(conflict="refuse")
    client.apply(hub.directory("d"), hub.file("d/f", b""))
    assert client.prepare(hub.file("d", b""))["d"].state is State.READY
    (client.root / "d/mine").write_bytes(b"mine")
    outcome = client.prepare(hub.file("d", b""))["d"]
    assert outcome.error == "d: holds local files, and conflicts are refused"
    assert client.prepare(hub.absent("d"))["d"].state is State.READY  # it stays if it is not empty
    assert client.prepare(hub.directory("d"))["d"].state is not State.REFUSED


def test_a_disk_that_says_no_is_quoted(client, hub, monkeypatch):
    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pyzsync_daemon.client.staging.Staging.new_directory", full)
    outcomes = client.prepare(hub.directory("d"), hub.symlink("l", "t"))
    assert outcomes["d"].error == "d: No space left on device"
    assert outcomes["l"].state is State.READY


def test_what_was_for_a_free_place_changes_places_under_another_name(client, hub):
    """Only names without .part ever do: see staging."""
    change = hub.file("f", b"hub's")
    ready = client.stage(change)
    (part,) = client.private("staging")
    assert part.endswith(PART)
    (client.root / "f").write_bytes(b"mine")
    assert client.commit(*ready).again == ready
    assert client.prepare(change)["f"].state is State.READY
    assert list(client.private("staging")) == [part.removesuffix(PART)]
    client.commit(change)
    assert client.tree() == {"f": b"hub's"}
    assert client.conflicts() == [b"mine"]
