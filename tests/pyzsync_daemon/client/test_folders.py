"""The directories that a commit works in."""

import os
import stat

import pytest

from pyzsync_daemon.client.folders import Folders, parent_of


@pytest.fixture
def folders(client):
    return Folders(client.bench._replica)


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def test_parents_that_are_missing_become_entries(client, hub, folders):
    (client.root / "there").mkdir()
    (client.root / "file").touch()
    wanted = [hub.file("there/a/b/f", b""), hub.file("there/a/g", b""), hub.file("file/x", b"")]
    entries = folders.missing(wanted)
    assert [entry.change.path for entry in entries] == ["file", "there/a", "there/a/b"]
    assert [entry.local.fingerprint is None for entry in entries] == [False, True, True]
    assert not any(entry.announced for entry in entries)


def test_parents_that_come_with_the_batch_are_not_missing(hub, folders):
    assert folders.missing([hub.directory("a"), hub.file("a/f", b"")]) == []


def test_a_closed_directory_is_opened_and_closed_again(client, folders):
    (client.root / "d").mkdir(mode=0o500)
    folders.enter("d")
    assert mode(client.root / "d") == 0o700
    folders.enter("d")
    folders.finish({})
    assert mode(client.root / "d") == 0o500


def test_recorded_modes_and_times_come_back(client, hub, folders):
    client.apply(hub.directory("d", mode=0o751, mtime_ns=5))
    folders.enter("d")
    (client.root / "d/new").touch()
    folders.finish({})
    assert (client.root / "d").stat().st_mtime_ns == 5
    assert mode(client.root / "d") == 0o751


def test_given_directories_are_settled_and_reported(client, hub, folders):
    (client.root / "d").mkdir()
    given = {"d": hub.directory("d", mode=0o711, mtime_ns=9), "gone": hub.directory("gone")}
    found = folders.finish(given)
    assert found.keys() == {"d"}
    assert (found["d"].mtime_ns, mode(client.root / "d")) == (9, 0o711)


def test_what_cannot_be_settled_is_reported(client, hub, folders, monkeypatch):
    (client.root / "d").mkdir()

    def denied(*args):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr("pyzsync_daemon.client.folders.settle_directory", denied)
    assert isinstance(folders.finish({"d": hub.directory("d")})["d"], PermissionError)


@pytest.mark.parametrize("each", [0, 10])
def test_all_that_were_entered_are_synced(client, folders, monkeypatch, each):
    calls = []
    monkeypatch.setattr(os, "fsync", lambda fd: calls.append("fsync"))
    monkeypatch.setattr("pyzsync_daemon.client.folders.syncfs", lambda fd: calls.append("syncfs"))
    (client.root / "d").mkdir()
    folders.enter("")
    folders.enter("d")
    (client.root / "d").rmdir()
    folders.sync(each)
    assert calls == (["fsync"] * 3 if each else ["syncfs"])  # the root, staging, attic


def test_the_parent_of_a_top_entry_is_the_root():
    assert (parent_of("a/b/c"), parent_of("a")) == ("a/b", "")
