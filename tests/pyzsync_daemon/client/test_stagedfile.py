"""One staging file: holes, and copies from other files."""

import os
import random

import pytest

from pyzsync_daemon.client import stagedfile as module
from pyzsync_daemon.client.staging import Staging
from pyzsync_daemon.files.fully import read_fully
from pyzsync_daemon.files.root import Root
from pyzsync_daemon.files.syscalls import Unsupported
from tests.pyzsync_daemon.client.values import new_file


@pytest.fixture
def staging(tmp_path):
    with Root(tmp_path) as root:
        staging = Staging(root)
        yield staging
        staging.close()


def test_a_staged_file_is_written_and_read_anywhere(staging):
    name = new_file(staging, "a", b"", 10)
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
    name = new_file(staging, "a", b"", 400_000)
    with staging.open(name, sparse=True) as file:
        file.write(offset, b"z" * len(data))
        os.fsync(file.fd)
        file.write(offset, data)
        assert file.read(offset, len(data)) == data
    assert (staging.lstat(name).st_blocks * 512 < 100_000) is holes


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
    name = new_file(staging, "a", b"", 20_000)
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
    with staging.open(new_file(staging, "a", b"", 20_000), False) as file:
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
        staging.open(new_file(staging, "a", b"", offset + size)) as file,
    ):
        assert file.copy(source.fileno(), start, size, offset) == size
        assert file.read(offset, size) == data[start : start + size]
        assert shared_bytes(file.fd) == (shared if reflinks else 0)


def test_holes_stay_holes_in_a_copy(staging, tmp_path):
    (tmp_path / "holes").write_bytes(bytes(2**20))
    name = new_file(staging, "a", b"", 2**20)
    with (tmp_path / "holes").open("rb") as source, staging.open(name, sparse=True) as file:
        assert file.copy(source.fileno(), 0, 2**20, 0) == 2**20
    assert staging.lstat(name).st_blocks == 0
