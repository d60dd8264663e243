"""Nothing outside the root can be reached, whatever stands in the way."""

import os
import stat
from pathlib import Path

import pytest

from pyzsync_daemon.files.root import EscapesRoot, Fingerprint, NotADirectory, Root


@pytest.fixture
def root(tmp_path):
    (tmp_path / "root").mkdir()
    with Root(tmp_path / "root") as root:
        yield root


def open_descriptors():
    return len(list(Path("/proc/self/fd").iterdir()))


def test_files_are_opened_beneath_the_root(root):
    (root.path / "a/b").mkdir(parents=True)
    fd = root.open("a/b/new", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    os.write(fd, b"bytes")
    os.close(fd)
    assert (root.path / "a/b/new").read_bytes() == b"bytes"
    assert root.lstat("a/b/new").st_size == 5
    assert root.listdir("a") == ["b"]
    assert root.listdir("") == ["a"]
    assert stat.S_ISDIR(root.lstat("").st_mode)


def test_listings_of_the_root_do_not_disturb_each_other(root):
    """A position that they share is at the end once the first has begun."""
    names = [f"n{number}" for number in range(5)]
    with root.directory("") as fd, os.scandir(fd) as first:
        for name in names:
            (root.path / name).touch()
        next(first, None)
        assert sorted(root.listdir("")) == names
    with root.directory("") as fd, os.scandir(fd) as first:
        begun = [next(first).name]
        assert sorted(root.listdir("")) == names
        assert sorted(begun + [entry.name for entry in first]) == names


def test_a_symlink_on_the_way_is_not_followed(root, tmp_path):
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/secret").write_text("secret")
    (root.path / "a").symlink_to(tmp_path / "outside")
    with pytest.raises(EscapesRoot) as caught:
        root.open("a/secret", os.O_RDONLY)
    assert (caught.value.path, caught.value.at) == ("a/secret", "a")
    assert str(caught.value) == (
        "'a', on the way to 'a/secret', is a symlink, and those are not followed"
    )
    assert isinstance(caught.value, NotADirectoryError)
    assert root.lstat("a/secret") is None
    assert root.readlink("a") == str(tmp_path / "outside")
    with pytest.raises(EscapesRoot), root.directory("a"):
        pass


def test_a_symlink_at_the_path_is_not_followed(root, tmp_path):
    (tmp_path / "secret").write_text("secret")
    (root.path / "a").symlink_to(tmp_path / "secret")
    with pytest.raises(OSError, match="symbolic links"):
        root.open("a", os.O_RDONLY)
    assert stat.S_ISLNK(root.lstat("a").st_mode)


def test_a_file_on_the_way_is_named(root):
    (root.path / "a").mkdir()
    (root.path / "a/b").write_text("file")
    with pytest.raises(NotADirectory) as caught:
        root.open("a/b/c/d", os.O_RDONLY)
    assert caught.value.at == "a/b"
    assert str(caught.value) == "'a/b', on the way to 'a/b/c/d', is not a directory"
    assert not isinstance(caught.value, EscapesRoot)


def test_what_is_missing_has_no_status(root):
    assert root.lstat("no/such/file") is None
    assert root.lstat("file") is None
    with pytest.raises(FileNotFoundError):
        root.open("no/such/file", os.O_RDONLY)


def test_names_that_are_not_utf8_survive(root):
    name = os.fsdecode(b"latin-\xe9")
    os.close(root.open(name, os.O_WRONLY | os.O_CREAT, 0o600))
    assert root.listdir("") == [name]


def test_no_descriptor_is_left_open(root):
    (root.path / "a/b").mkdir(parents=True)
    (root.path / "a/file").touch()
    before = open_descriptors()
    root.lstat("a/b/c")
    root.lstat("a/file/c/d")
    root.listdir("a/b")
    with pytest.raises(FileNotFoundError):
        root.open("a/x/y", os.O_RDONLY)
    assert open_descriptors() == before


def test_a_root_that_was_replaced_is_not_present(root, tmp_path):
    assert root.present()
    root.path.rename(tmp_path / "moved")
    assert not root.present()
    root.path.mkdir()
    assert not root.present()
    assert root.listdir("") == []  # the descriptor still leads to the directory that was opened


def test_a_fingerprint_tells_of_edits_but_not_of_our_own_renames(root):
    path = root.path / "file"
    path.write_bytes(b"one")
    first = Fingerprint.of(root.lstat("file"))
    assert Fingerprint.of(root.lstat("file")) == first
    path.rename(root.path / "other")
    (root.path / "other").chmod(0o640)
    moved = Fingerprint.of(root.lstat("other"))
    assert moved.same_content(first)
    os.utime(root.path / "other", ns=(1, 1))
    assert not Fingerprint.of(root.lstat("other")).same_content(first)


def test_making_a_directory_twice_is_making_it_once(root):
    root.make_directory("a")
    root.make_directory("a")
    assert stat.S_IMODE((root.path / "a").stat().st_mode) == 0o700
    (root.path / "file").touch()
    with pytest.raises(NotADirectory):
        root.make_directory("file")


def test_a_thread_that_stays_walks_once_to_each_directory(root, monkeypatch):
    for folder in ("a", "b"):
        (root.path / folder).mkdir()
    walks = []
    walk = Root._walk
    monkeypatch.setattr(Root, "_walk", lambda *args: walks.append(args[2]) or walk(*args))
    before = open_descriptors()
    with root.staying():
        for path in ("a/1", "a/2", "b/1", "b/2", "c", "d", "a/3"):
            assert root.lstat(path) is None
        assert open_descriptors() == before + 1
    assert walks == ["a/1", "b/1", "c", "a/3"]
    assert open_descriptors() == before
    assert root.lstat("a/4") is None
    assert walks[-1] == "a/4"


def test_what_this_thread_replaced_is_not_where_it_stays(root):
    (root.path / "a").mkdir()
    (root.path / "new").mkdir()
    (root.path / "new/f").write_text("new")
    with root.staying():
        assert root.lstat("a/f") is None
        with root.parent("a") as (fd, name):
            os.rename(name, "old", src_dir_fd=fd, dst_dir_fd=fd)
            os.rename("new", name, src_dir_fd=fd, dst_dir_fd=fd)
        assert root.lstat("a/f").st_size == 3


def test_a_directory_that_is_in_use_is_not_closed_by_who_goes_elsewhere(root):
    for folder in ("a", "b"):
        (root.path / folder).mkdir()
    with root.staying(), root.parent("a/f") as (fd, name):
        assert root.lstat("b/f") is None
        os.mkdir(name, dir_fd=fd)
    assert (root.path / "a/f").is_dir()


def test_a_directory_that_cannot_be_reached_is_not_where_a_thread_stays(root):
    (root.path / "a").mkdir()
    with root.staying():
        assert root.lstat("a/f") is None
        assert root.lstat("missing/f") is None
        (root.path / "missing").mkdir()
        (root.path / "missing/f").mkdir()
        assert root.lstat("missing/f") is not None
