"""Modes and times, never through a symlink."""

import os
import stat

import pytest

from pyzsync_daemon.client.metadata import dress, settle_directory, touch
from pyzsync_daemon.files.root import Fingerprint


@pytest.fixture
def folder(tmp_path):
    fd = os.open(tmp_path, os.O_RDONLY)
    yield fd, tmp_path
    os.close(fd)


def seen(fd, name):
    return Fingerprint.of(os.stat(name, dir_fd=fd, follow_symlinks=False))


def test_staged_entries_are_dressed(folder, hub):
    fd, path = folder
    (path / "f").write_bytes(b"")
    (path / "l").symlink_to("f")
    dress(fd, "f", hub.file("f", b"", mode=0o6751, mtime_ns=-5))
    dress(fd, "l", hub.symlink("l", "f", mtime_ns=7))
    assert (stat.S_IMODE(seen(fd, "f").mode), seen(fd, "f").mtime_ns) == (0o751, -5)
    assert seen(fd, "l").mtime_ns == 7


def test_a_new_mode_is_proof_but_a_new_mtime_is_not(folder, hub):
    fd, path = folder
    (path / "f").write_bytes(b"x")
    before = seen(fd, "f")
    moded = touch(fd, "f", hub.file("f", b"x", mode=0o600, mtime_ns=before.mtime_ns), before)
    assert moded == seen(fd, "f")
    timed = touch(fd, "f", hub.file("f", b"x", mode=0o640, mtime_ns=9), moded)
    assert (timed.mtime_ns, stat.S_IMODE(timed.mode), timed.ctime_ns) == (9, 0o640, 0)


def test_what_has_changed_is_not_touched(folder, hub):
    fd, path = folder
    (path / "f").write_bytes(b"x")
    before = seen(fd, "f")
    (path / "f").write_bytes(b"xyz")
    after = seen(fd, "f")
    assert touch(fd, "f", hub.file("f", b"x", mode=0o600), before) is None
    assert seen(fd, "f") == after


def test_a_link_is_touched_and_not_its_target(folder, hub):
    fd, path = folder
    (path / "target").write_bytes(b"x")
    (path / "l").symlink_to("target")
    target = seen(fd, "target")
    touch(fd, "l", hub.symlink("l", "target", mtime_ns=9), seen(fd, "l"))
    assert seen(fd, "l").mtime_ns == 9
    assert seen(fd, "target") == target


def test_directories_are_settled(folder):
    fd, _ = folder
    found = settle_directory(fd, 0o2750, 9)
    assert (stat.S_IMODE(found.mode), found.mtime_ns) == (0o750, 9)
    assert settle_directory(fd, None, None) == found
