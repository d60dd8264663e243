"""Deleted bytes are kept for a while, within bounds, and late writes to them are not lost."""

import os

import pytest

from pyzsync_daemon.client.attic import ATTIC, Attic
from pyzsync_daemon.client.conflicts import CONFLICTS, Conflicts
from pyzsync_daemon.client.staging import HOME
from pyzsync_daemon.files.root import Fingerprint, Root


def version(number):
    return bytes([number]) * 32


@pytest.fixture
def root(tmp_path):
    with Root(tmp_path) as root:
        root.make_directory(HOME)
        yield root


@pytest.fixture
def attic_of(root):
    """Opens attics; all are closed at the end."""
    opened = []

    def make(max_bytes=1000, max_count=10):
        opened.append(Attic(root, Conflicts(root, lambda: 0), max_bytes, max_count))
        return opened[-1]

    yield make
    for attic in opened:
        attic.close()


def take(attic, root, version, path):
    found = Fingerprint.of((root.path / "f").stat())
    attic.keep(root.fd, "f", found, version, path)


def give(attic, root, number, size=100):
    (root.path / "f").write_bytes(bytes([number]) * size)
    take(attic, root, version(number), f"path-{number}")


def kept(root):
    return sorted(path.read_bytes()[0] for path in (root.path / ATTIC).iterdir())


def test_what_was_kept_is_found_by_its_version(root, attic_of):
    attic = attic_of()
    give(attic, root, 1)
    assert not (root.path / "f").exists()
    assert (root.path / ATTIC / attic.find(version(1))).read_bytes() == b"\1" * 100
    assert attic.find(version(2)) is None


def test_the_oldest_goes_first(root, attic_of):
    attic = attic_of(max_bytes=250)
    for number in (1, 2, 3):
        give(attic, root, number)
    assert kept(root) == [2, 3]
    assert attic.find(version(1)) is None


def test_the_count_is_bounded_too(root, attic_of):
    attic = attic_of(max_count=2)
    for number in (1, 2, 3):
        give(attic, root, number, size=1)
    assert kept(root) == [2, 3]


def test_what_can_never_stay_does_not_drive_out_the_others(root, attic_of):
    attic = attic_of()
    give(attic, root, 1)
    give(attic, root, 2, size=1001)
    assert kept(root) == [1]


def test_a_smaller_bound_holds_at_the_next_start(root, attic_of):
    attic = attic_of()
    for number in (1, 2, 3):
        give(attic, root, number)
    attic = attic_of(max_bytes=100)
    assert len(kept(root)) == 1
    assert attic.find(version(kept(root)[0]))


def test_a_late_write_is_kept_aside_when_the_file_is_dropped(root, attic_of):
    attic = attic_of(max_bytes=100)
    (root.path / "f").write_bytes(b"old")
    with (root.path / "f").open("r+b") as writer:
        take(attic, root, version(1), "docs/f")
        writer.write(b"late")
        writer.flush()
        os.utime(writer.fileno(), ns=(5, 5))  # whatever the clock's tick, the mtime has moved
    give(attic, root, 2)
    (aside,) = (root.path / CONFLICTS / "docs").iterdir()
    assert aside.read_bytes() == b"late"


def test_what_was_tidied_up_by_hand_is_no_error(root, attic_of):
    attic = attic_of(max_count=1)
    give(attic, root, 1)
    (root.path / ATTIC / attic.find(version(1))).unlink()
    give(attic, root, 2)
    assert kept(root) == [2]


def test_what_is_no_file_of_ours_is_left_alone(root, attic_of):
    root.make_directory(ATTIC)
    (root.path / ATTIC / "folder").mkdir()
    attic_of(max_count=0)
    assert (root.path / ATTIC / "folder").is_dir()


@pytest.mark.parametrize("max_bytes", [0, 1000])
def test_a_write_between_the_judgement_and_the_attic_is_kept_aside(root, attic_of, max_bytes):
    attic = attic_of(max_bytes=max_bytes)
    (root.path / "f").write_bytes(b"old")
    judged = Fingerprint.of((root.path / "f").stat())
    (root.path / "f").write_bytes(b"late")
    os.utime(root.path / "f", ns=(5, 5))
    attic.keep(root.fd, "f", judged, version(1), "docs/f")
    attic_of(max_bytes=0)
    (aside,) = (root.path / CONFLICTS).rglob("*Z-1")
    assert aside.read_bytes() == b"late"
