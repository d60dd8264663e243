"""Staging: names, holes, remains."""

import os
import random
import stat

import pytest

from pyzsync_daemon.client import staging as module
from pyzsync_daemon.client.staging import (
    PART,
    STAGING,
    Staging,
    stands_for,
    version_of_link,
)
from pyzsync_daemon.files.fully import read_fully
from pyzsync_daemon.files.root import EscapesRoot, Root
from pyzsync_daemon.files.syscalls import Unsupported


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
    name = staging.new_file("a", b"v" * 32, 2**30)
    status = staging.lstat(name)
    assert (status.st_size, status.st_blocks, stat.S_IMODE(status.st_mode)) == (2**30, 0, 0o600)


def test_a_size_that_no_file_can_have_leaves_nothing(staging, monkeypatch):
    monkeypatch.setattr(module.os, "ftruncate", broken)  # XFS and btrfs have no such size
    with pytest.raises(OSError):
        staging.new_file("a", b"v" * 32, 2**63 - 1)
    assert staging.names() == []


def test_entries_are_made_and_removed(staging):
    names = [
        staging.new_directory("d"),
        staging.new_symlink("l", "t"),
        staging.new_file("f", b"", 0),
    ]
    assert sorted(staging.names()) == sorted(names)
    for name in [*names, "missing"]:
        staging.remove(name)
    assert staging.names() == []


def test_a_staged_file_is_written_and_read_anywhere(staging):
    name = staging.new_file("a", b"", 10)
    with staging.open(name) as file:
        file.write(8, b"12345")
        assert file.read(0, 100) == bytes(8) + b"12345"
    with staging.open(name) as file:
        assert read_fully(file.fd, 8, 2) == b"12"


@pytest.mark.parametrize("holes", [True, False])
@pytest.mark.parametrize("offset", [0, 100, 4096])
def test_zeros_become_holes_also_over_other_bytes(staging, monkeypatch, holes, offset):
    def unsupported(*args):
        raise Unsupported

    if not holes:
        monkeypatch.setattr(module, "punch", unsupported)
    data = b"x" * 5000 + bytes(300_000) + b"y" * 5000
    name = staging.new_file("a", b"", 400_000)
    with staging.open(name, sparse=True) as file:
        file.write(offset, b"z" * len(data))
        os.fsync(file.fd)
        file.write(offset, data)
        assert file.read(offset, len(data)) == data
    assert (staging.lstat(name).st_blocks * 512 < 100_000) is holes


def test_remains_of_a_path_are_found_once_and_the_newest_are_kept(staging):
    names = [staging.new_file("a", b"", 1) for _ in range(3)]
    staging.leave(staging.new_file("b", b"", 1))
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
    names = [staging.new_file("a", b"v" * 32, 40_960) for _ in range(4)]
    for name, size in zip(names, (40_960, 0, 20_480, 0), strict=True):
        with staging.open(name) as file:
            file.write(0, b"x" * size)
    for name in names:
        staging.leave(name)
    assert staging.take_remains("a") == [names[2], names[0]]


def test_a_name_says_whether_bytes_are_missing(staging):
    version = bytes(range(32))
    name = staging.new_file("a", version, 10)
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


# --- copies --------------------------------------------------------------------------------------


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "source"
    path.write_bytes(bytes(range(256)) * 40)
    with path.open("rb") as file:
        yield file.fileno()


def broken(*args):
    raise OSError(5, "an error of whatever kind")


@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("call", [None, broken, lambda *args: 0])
def test_a_range_is_copied_in_the_kernel_or_by_hand(staging, source, monkeypatch, sparse, call):
    if call is not None:
        monkeypatch.setattr(module.os, "copy_file_range", call)
    name = staging.new_file("a", b"", 20_000)
    with staging.open(name, sparse) as file:
        assert file.copy(source, 100, 10_000, 5000) == 10_000
        assert file.copy(source, 10_200, 100, 0) == 40  # the source ends there
        assert file.read(5000, 10_000) == (bytes(range(256)) * 40)[100:10_100]
        assert file.read(0, 50) == (bytes(range(256)) * 40)[10_200:] + bytes(10)


@pytest.mark.parametrize(
    ("start", "offset", "size", "calls"),
    [
        (4096, 8192, 6000, [(4096, 8192, 6000)]),
        (512, 4608, 9000, [(512, 4608, 3584), (4096, 8192, 5416)]),
        (512, 4608, 100, [(512, 4608, 100)]),
        (512, 1024, 9000, [(512, 1024, 9000)]),  # no block of one is a block of the other
    ],
)
def test_blocks_that_can_be_shared_are_copied_by_themselves(
    staging, source, monkeypatch, start, offset, size, calls
):
    seen, real = [], os.copy_file_range

    def call(source, target, count, at, to):
        seen.append((at, to, count))
        return real(source, target, count, at, to)

    monkeypatch.setattr(module.os, "copy_file_range", call)
    with staging.open(staging.new_file("a", b"", 20_000), False) as file:
        assert file.copy(source, start, size, offset) == size
        assert file.read(offset, size) == (bytes(range(256)) * 40)[start : start + size]
    # One that shares blocks stops where they end: what follows is asked for by itself.
    assert [each for each in seen if each[:2] in [call[:2] for call in calls]] == calls
    assert sum(count for *_, count in seen[len(calls) :]) < 4096


@pytest.mark.parametrize(
    ("start", "offset", "shared"), [(0, 65_536, 131_072), (4608, 512, 126_976), (512, 1024, 0)]
)
def test_a_copy_shares_the_blocks_that_it_can(
    staging, tmp_path, reflinks, shared_bytes, start, offset, shared
):
    """Where the file system has no reflinks, it has the bytes all the same."""
    size = 131_072
    data = random.Random(3).randbytes(size + 8192)
    (tmp_path / "data").write_bytes(data)
    with (
        (tmp_path / "data").open("rb") as source,
        staging.open(staging.new_file("a", b"", offset + size)) as file,
    ):
        assert file.copy(source.fileno(), start, size, offset) == size
        assert file.read(offset, size) == data[start : start + size]
        assert shared_bytes(file.fd) == (shared if reflinks else 0)


def test_holes_stay_holes_in_a_copy(staging, tmp_path):
    (tmp_path / "holes").write_bytes(bytes(2**20))
    name = staging.new_file("a", b"", 2**20)
    with (tmp_path / "holes").open("rb") as source, staging.open(name, sparse=True) as file:
        assert file.copy(source.fileno(), 0, 2**20, 0) == 2**20
    assert staging.lstat(name).st_blocks == 0


def test_who_has_most_of_a_version(staging):
    one, two = b"1" * 32, b"2" * 32
    name = staging.new_file("a", one, 100_000)
    assert not staging.has_most(name, one)
    with staging.open(name) as file:
        file.write(0, b"x" * 60_000)
    assert staging.has_most(name, one)
    assert not staging.has_most(name, two)
    assert not staging.has_most(staging.name("a", one), one)
