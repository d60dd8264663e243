"""Staging: names and remains."""

import stat

import pytest

from protocol.messages import Change, Kind
from pyzsync_daemon.client import staging as module
from pyzsync_daemon.client.staging import (
    PART,
    STAGING,
    Staging,
    stands_for,
    version_of_link,
)
from pyzsync_daemon.files.root import EscapesRoot, Root
from tests.pyzsync_daemon.client.values import new_file


@pytest.fixture
def staging(tmp_path):
    with Root(tmp_path) as root:
        staging = Staging(root)
        yield staging
        staging.close()
        staging.close()  # once more does no harm


def test_names_have_one_length_and_are_never_used_again(staging):
    names = {staging.name(path, b"v" * 32) for path in ("a", "a", "b/" * 2000, "\udcff")}
    assert len(names) == 4
    assert {len(name) for name in names} == {58}
    assert len(staging.name("a")) == 58


def test_a_new_file_is_private_and_takes_no_room(staging):
    name = new_file(staging, "a", b"v" * 32, 2**30)
    status = staging.lstat(name)
    assert (status.st_size, status.st_blocks, stat.S_IMODE(status.st_mode)) == (2**30, 0, 0o600)


def test_a_small_file_is_made_in_one_go(staging):
    change = Change(1, "a", Kind.FILE, 0o4640, 1_600_000_000_123_456_789, 5, b"v" * 32)
    name = staging.part("a", change.version)
    staging.fill(name, b"bytes", change)
    status = staging.lstat(name)
    assert (stat.S_IMODE(status.st_mode), status.st_mtime_ns) == (0o640, change.mtime_ns)
    with staging.open(name) as file:
        assert file.read(0, 10) == b"bytes"
    with pytest.raises(FileExistsError):
        staging.fill(name, b"other", change)
    assert staging.lstat(name).st_size == 5


def test_a_size_that_no_file_can_have_leaves_nothing(staging, monkeypatch):
    def broken(*args):
        raise OSError(5, "an error of whatever kind")

    monkeypatch.setattr(module.os, "ftruncate", broken)  # XFS and btrfs have no such size
    with pytest.raises(OSError):
        new_file(staging, "a", b"v" * 32, 2**63 - 1)
    assert staging.names() == []


def test_entries_are_made_and_removed(staging):
    names = [
        staging.new_directory("d"),
        staging.new_symlink("l", "t"),
        new_file(staging, "f", b"", 0),
    ]
    assert sorted(staging.names()) == sorted(names)
    for name in [*names, "missing"]:
        staging.remove(name)
    assert staging.names() == []


def test_remains_of_a_path_are_found_once_and_the_newest_are_kept(staging):
    names = [new_file(staging, "a", b"", 1) for _ in range(3)]
    staging.leave(new_file(staging, "b", b"", 1))
    for name in names:
        staging.leave(name)
    assert staging.take_remains("a") == names[1:]
    assert staging.take_remains("a") == []
    assert names[0] not in staging.names()


def test_only_files_remain(staging):
    staging.leave(staging.new_directory("a"))
    staging.leave(staging.new_symlink("a", "t"))
    staging.leave("missing")
    assert (staging.names(), staging.take_remains("a")) == ([], [])


def test_staging_is_not_reached_through_a_symlink(tmp_path):
    (tmp_path / "outside").mkdir()
    (tmp_path / "root").mkdir()
    (tmp_path / "root/.pyzsync").symlink_to(tmp_path / "outside")
    with Root(tmp_path / "root") as root, pytest.raises(EscapesRoot):
        Staging(root)
    assert STAGING.startswith(".pyzsync/")


def test_the_fullest_remains_are_kept_in_whatever_order_they_are_found(staging):
    names = [new_file(staging, "a", b"v" * 32, 40_960) for _ in range(4)]
    for name, size in zip(names, (40_960, 0, 20_480, 0), strict=True):
        with staging.open(name) as file:
            file.write(0, b"x" * size)
    for name in names:
        staging.leave(name)
    assert staging.take_remains("a") == [names[2], names[0]]


def test_a_name_says_whether_bytes_are_missing(staging):
    version = bytes(range(32))
    name = new_file(staging, "a", version, 10)
    assert name.endswith(PART)
    assert not stands_for(name, version)
    whole = staging.whole(name)
    assert whole == name.removesuffix(PART)
    assert stands_for(whole, version)
    assert not stands_for(whole, bytes(32))
    assert not stands_for(f"{whole}.old", version)
    assert not stands_for(staging.name("a"), b"")
    staging.leave(whole)
    assert staging.names() == [name]
    assert staging.take_remains("a") == [name]


def test_the_name_of_a_link_says_where_it_leads(staging):
    name = staging.new_symlink("l", "target")
    assert stands_for(name, version_of_link("target"))
    assert not stands_for(name, version_of_link("other"))


def test_who_has_most_of_a_version(staging):
    one, two = b"1" * 32, b"2" * 32
    name = new_file(staging, "a", one, 100_000)
    assert not staging.has_most(name, one)
    with staging.open(name) as file:
        file.write(0, b"x" * 60_000)
    assert staging.has_most(name, one)
    assert not staging.has_most(name, two)
    assert not staging.has_most(staging.name("a", one), one)
