"""Moves lose nothing, with ``renameat2`` and without."""

import errno
import os

import pytest

from pyzsync_daemon.files import moves
from pyzsync_daemon.files.moves import move_new, old_name, swap_in
from pyzsync_daemon.files.syscalls import Unsupported


@pytest.fixture(params=["renameat2", "without"])
def renameat2(request, monkeypatch):
    """Both kinds of file system; the second is one that does not know the call's flags."""

    def unsupported(*args):
        raise Unsupported(errno.EINVAL, "Invalid argument")

    if request.param == "without":
        monkeypatch.setattr(moves, "exchange", unsupported)
        monkeypatch.setattr(moves, "rename_new", unsupported)
    return request.param == "renameat2"


@pytest.fixture
def folder(tmp_path):
    fd = os.open(tmp_path, os.O_RDONLY)
    yield fd, tmp_path
    os.close(fd)


def make(path, kind):
    if kind == "file":
        path.write_bytes(path.name.encode())
    elif kind == "link":
        path.symlink_to(path.name + "-target")
    else:
        path.mkdir()
        (path / path.name).touch()


def kind_of(path):
    return "link" if path.is_symlink() else "directory" if path.is_dir() else "file"


@pytest.mark.parametrize("kind", ["file", "link", "directory"])
def test_a_new_name_is_taken_once(folder, renameat2, kind):
    fd, path = folder
    make(path / "a", kind)
    move_new(fd, "a", fd, "b")
    assert kind_of(path / "b") == kind
    make(path / "c", kind)
    with pytest.raises(OSError) as caught:
        move_new(fd, "c", fd, "b")
    assert caught.value.errno in (errno.EEXIST, errno.ENOTEMPTY)
    assert sorted(names(path)) == ["b", "c"]


@pytest.mark.parametrize("new", ["file", "link", "directory"])
@pytest.mark.parametrize("old", ["file", "link", "directory"])
def test_what_was_there_is_beside_the_new_one_afterwards(folder, renameat2, new, old):
    fd, path = folder
    make(path / "new", new)
    make(path / "at", old)
    seen = []
    displaced = swap_in(fd, "new", fd, "at", lambda: seen.append(kind_of(path / "new")))
    assert displaced == ("new" if renameat2 else old_name("new"))
    assert kind_of(path / "at") == new
    assert kind_of(path / displaced) == old
    assert sorted(names(path)) == sorted(["at", displaced])
    assert set(seen) == {new}


def test_nothing_to_displace_is_an_error(folder, renameat2):
    fd, path = folder
    make(path / "new", "file")
    with pytest.raises(FileNotFoundError):
        swap_in(fd, "new", fd, "at", lambda: None)
    assert names(path) == ["new"]


def names(path):
    return [entry.name for entry in path.iterdir()]
