"""Nothing kept aside replaces anything, and every name fits."""

import os

import pytest

from pyzsync_daemon.client.conflicts import CONFLICTS, Conflicts
from pyzsync_daemon.client.staging import HOME
from pyzsync_daemon.files.root import Root

NOON = 1_767_182_400 * 10**9  # 2025-12-31 12:00:00 UTC


@pytest.fixture
def root(tmp_path):
    with Root(tmp_path) as root:
        root.make_directory(HOME)
        yield root


def keep(root, path, data=b"mine"):
    (root.path / "f").write_bytes(data)
    return Conflicts(root, lambda: NOON).keep(root.fd, "f", path)


def test_the_name_tells_path_and_time(root):
    kept = keep(root, "docs/a.txt")
    assert kept == f"{CONFLICTS}/docs/a.txt.20251231T120000Z-1"
    assert (root.path / kept).read_bytes() == b"mine"
    assert not (root.path / "f").exists()


def test_two_of_the_same_second_are_both_kept(root):
    first, second = keep(root, "a", b"one"), keep(root, "a", b"two")
    assert (root.path / first).read_bytes() == b"one"
    assert (root.path / second).read_bytes() == b"two"
    assert second.endswith("-2")


def test_a_directory_is_kept_as_a_whole(root):
    (root.path / "d/in").mkdir(parents=True)
    (root.path / "d/in/f").write_bytes(b"mine")
    kept = Conflicts(root, lambda: NOON).keep(root.fd, "d", "a/d")
    assert (root.path / kept / "in/f").read_bytes() == b"mine"


def test_the_longest_name_is_cut(root):
    kept = keep(root, "x" * 255)
    assert len(kept.rpartition("/")[2]) == 255
    assert kept.endswith(".20251231T120000Z-1")
    name = os.fsdecode(b"\xff" * 255)
    assert (root.path / keep(root, name)).read_bytes() == b"mine"


def test_an_older_conflict_in_the_way_of_a_directory_is_avoided(root):
    first = keep(root, "a")
    kept = keep(root, f"{first.rpartition('/')[2]}/b", b"other")
    assert (root.path / kept).read_bytes() == b"other"
    assert (root.path / first).read_bytes() == b"mine"


def test_what_cannot_be_kept_stays_where_it_is(root):
    (root.path / CONFLICTS).write_bytes(b"in the way")
    with pytest.raises(NotADirectoryError):
        keep(root, "a")
    assert (root.path / "f").read_bytes() == b"mine"
