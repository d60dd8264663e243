"""A system call may do a part of what was asked: the rest follows."""

import os

import pytest

from pyzsync_daemon.files import fully
from pyzsync_daemon.files.fully import read_fully, write_fully


@pytest.fixture
def fd(tmp_path, monkeypatch):
    """An open file, and calls that move three bytes at the most."""
    pread, pwrite = os.pread, os.pwrite
    monkeypatch.setattr(fully.os, "pread", lambda fd, size, at: pread(fd, min(size, 3), at))
    monkeypatch.setattr(fully.os, "pwrite", lambda fd, data, at: pwrite(fd, data[:3], at))
    with (tmp_path / "file").open("w+b") as file:
        yield file.fileno()


def test_all_is_written_and_read(fd):
    write_fully(fd, 2, memoryview(b"0123456789"))
    assert read_fully(fd, 2, 10) == b"0123456789"
    assert read_fully(fd, 4, 5) == b"23456"


def test_fewer_bytes_only_where_the_file_ends(fd):
    write_fully(fd, 0, memoryview(b"0123456789"))
    assert read_fully(fd, 6, 100) == b"6789"
    assert read_fully(fd, 10, 5) == b""
