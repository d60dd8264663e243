"""The calls that Python lacks do what their names say, or say that they are not there."""

import os
import platform
import subprocess
import sys

import pytest

from pyzsync_daemon.files import syscalls
from pyzsync_daemon.files.syscalls import (
    Unsupported,
    begin_sync,
    clone,
    exchange,
    keep_little_memory,
    punch,
    rename_new,
    syncfs,
)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "a").write_bytes(b"first")
    (tmp_path / "b").write_bytes(b"second")
    fd = os.open(tmp_path, os.O_RDONLY)
    yield fd, tmp_path
    os.close(fd)


def test_two_names_are_exchanged_whatever_they_lead_to(folder):
    fd, path = folder
    exchange(fd, "a", fd, "b")
    assert ((path / "a").read_bytes(), (path / "b").read_bytes()) == (b"second", b"first")
    (path / "d").mkdir()
    exchange(fd, "a", fd, "d")
    assert (path / "a").is_dir()
    assert (path / "d").read_bytes() == b"second"


def test_exchanging_with_nothing_fails(folder):
    fd, _ = folder
    with pytest.raises(FileNotFoundError):
        exchange(fd, "a", fd, "missing")


def test_a_taken_name_is_not_renamed_over(folder):
    fd, path = folder
    with pytest.raises(FileExistsError):
        rename_new(fd, "a", fd, "b")
    rename_new(fd, "a", fd, "c")
    assert (path / "c").read_bytes() == b"first"
    assert (path / "b").read_bytes() == b"second"


def test_a_file_system_is_synced_by_any_of_its_descriptors(folder):
    syncfs(folder[0])
    with pytest.raises(OSError, match="Bad file descriptor"):
        syncfs(-1)


def test_a_sync_that_is_begun_early_changes_nothing_and_never_fails(tmp_path, monkeypatch):
    path = tmp_path / "file"
    path.write_bytes(b"x" * 100_000)
    with path.open("r+b") as file:
        begin_sync(file.fileno(), 4096, 50_000)
        begin_sync(file.fileno(), 1 << 40, 1 << 40)
    begin_sync(-1, 0, 1)
    monkeypatch.setattr(syscalls, "_LIBC", object())
    begin_sync(-1, 0, 1)
    assert path.read_bytes() == b"x" * 100_000


def test_a_hole_reads_as_zeros_and_frees_its_blocks(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"x" * 3 * 65536)
    with path.open("r+b") as file:
        os.fsync(file.fileno())
        before = path.stat().st_blocks
        punch(file.fileno(), 65536, 65536)
    assert path.read_bytes() == b"x" * 65536 + bytes(65536) + b"x" * 65536
    assert path.stat().st_blocks < before


def test_a_clone_shares_all_blocks_or_is_not_to_be_had(tmp_path, reflinks, shared_bytes):
    data = bytes(range(256)) * 256
    (tmp_path / "a").write_bytes(data)
    with (tmp_path / "a").open("rb") as source, (tmp_path / "b").open("w+b") as target:
        if not reflinks:
            with pytest.raises(Unsupported):
                clone(source.fileno(), target.fileno())
            return
        clone(source.fileno(), target.fileno())
        assert shared_bytes(target.fileno()) == len(data)
    assert (tmp_path / "b").read_bytes() == data


def test_other_errors_of_a_clone_are_not_hidden(tmp_path):
    with (tmp_path / "a").open("wb") as file, pytest.raises(OSError, match="Bad file") as caught:
        clone(-1, file.fileno())
    assert not isinstance(caught.value, Unsupported)


GROW_AND_SHRINK = """
import re, sys
from pathlib import Path
from pyzsync_daemon.files.syscalls import keep_little_memory

if sys.argv[1] == "little":
    keep_little_memory()
def resident():
    return int(re.search(r"VmRSS:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) * 1024
del_me = bytearray(b"x") * (30 << 20)
del del_me  # from now on glibc would keep such blocks
before = resident()
blocks = [bytearray(b"x") * (6 << 20) for _ in range(5)]
blocks.clear()
print(resident() - before)
"""


@pytest.mark.parametrize("kept", ["little", "much"])
def test_large_blocks_go_back_to_the_system(kept):
    """A process of its own: the setting is for good."""
    command = [sys.executable, "-c", GROW_AND_SHRINK, kept]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    if kept == "little":
        assert int(done.stdout) < 8 << 20
    elif platform.libc_ver()[0] == "glibc":
        assert int(done.stdout) > 20 << 20  # so this test can fail


def test_without_mallopt_nothing_is_set(monkeypatch):
    monkeypatch.setattr(syscalls, "_LIBC", object())
    keep_little_memory()
