import os
import shutil

import pytest

from protocol.messages import Change, Kind
from pyzsync_daemon.files.root import Fingerprint, Root
from pyzsync_daemon.hub.index import HubIndex
from pyzsync_daemon.hub.observed import describe
from pyzsync_daemon.hub.records import Record
from pyzsync_daemon.hub.scan import scan
from pyzsync_daemon.ignore import Ignore


class Tree:
    """A directory, its index, and scans of it."""

    def __init__(self, path, ignore=()):
        self.path = path / "root"
        self.path.mkdir()
        self.root = Root(self.path)
        self.index = HubIndex(path / "hub.db")
        self.ignore = Ignore(ignore)

    def write(self, path, data=b"x"):
        target = self.path / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)

    def scan(self, *paths, **more):
        return scan(self.root, self.ignore, self.index, paths or None, **more)

    def settle(self):
        """Put what a scan finds in the index, as if it had been hashed."""
        found = self.scan()
        records = [Record(Change(0, r.change.path, Kind.ABSENT)) for r in found.removed]
        for seen in found.changed:
            status = self.root.lstat(seen.path)
            version = b"v" * 32 if seen.kind is Kind.FILE else b""
            target = self.root.readlink(seen.path) if seen.kind is Kind.SYMLINK else ""
            change = describe(seen.path, status, version, target)
            records.append(Record(change, Fingerprint.of(status)))
        self.index.commit(records)
        assert names(self.scan()) == ([], [])


def names(found):
    changed = sorted(seen.path for seen in found.changed)
    return changed, sorted(record.change.path for record in found.removed)


@pytest.fixture
def tree(tmp_path):
    made = Tree(tmp_path)
    yield made
    made.index.close()
    made.root.close()


def test_a_new_tree_is_found_whole(tree):
    tree.write("a")
    tree.write("d/e/f")
    (tree.path / "link").symlink_to("d")
    (tree.path / "empty").mkdir()
    found = tree.scan()
    assert names(found) == (["a", "d", "d/e", "d/e/f", "empty", "link"], [])
    assert {seen.path: seen.kind for seen in found.changed}["link"] is Kind.SYMLINK
    assert found.seen == 6
    assert sorted(found.arrived) == ["d", "empty"]


def test_an_unchanged_tree_has_nothing_to_say(tree):
    tree.write("d/f")
    tree.settle()
    found = tree.scan()
    assert (names(found), found.seen, found.moved) == (([], []), 2, 0)


@pytest.mark.parametrize("edit", ["write", "touch", "chmod", "replace", "restored"])
def test_any_edit_is_found(tree, edit):
    tree.write("f", b"one")
    tree.settle()
    path, before = tree.path / "f", (tree.path / "f").stat()
    if edit == "write":
        path.write_bytes(b"three")
    elif edit == "touch":
        os.utime(path, ns=(1, 1))
    elif edit == "chmod":
        path.chmod(0o600)
    elif edit == "replace":
        (tree.path.parent / "new").write_bytes(b"two")
        (tree.path.parent / "new").rename(path)
    else:
        path.write_bytes(b"two")
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert names(tree.scan("f")) == (["f"], [])
    assert names(tree.scan())[0] == ["f"]


def test_racy_suspect_and_treeless_files_are_not_trusted(tree):
    tree.write("f")
    tree.settle()
    record = tree.index.get("f")
    assert names(tree.scan("f", suspects=["f"])) == (["f"], [])
    assert names(tree.scan(has_tree=lambda _: False)) == (["f"], [])
    tree.index.commit([Record(record.change, record.fingerprint, racy=True)])
    assert names(tree.scan("f")) == (["f"], [])


def test_a_deleted_directory_takes_everything_below(tree):
    for name in ("d/e/f", "d/g", "d.txt"):
        tree.write(name)
    tree.settle()
    shutil.rmtree(tree.path / "d")
    expected = ([], ["d", "d/e", "d/e/f", "d/g"])
    assert names(tree.scan("d")) == expected
    assert names(tree.scan("d/e/f")) == expected  # an event may name any path below
    assert names(tree.scan()) == expected


def test_kinds_change_in_one_scan(tree):
    tree.write("d/e/f")
    tree.write("f")
    tree.settle()
    shutil.rmtree(tree.path / "d")
    tree.write("d", b"a file now")
    (tree.path / "f").unlink()
    (tree.path / "f").mkdir()
    tree.write("f/inner")
    found = tree.scan("d", "f/inner")
    assert names(found) == (["d", "f", "f/inner"], ["d/e", "d/e/f"])
    kinds = {seen.path: seen.kind for seen in found.changed}
    assert (kinds["d"], kinds["f"]) == (Kind.FILE, Kind.DIRECTORY)
    assert found.arrived == ("f",)


def test_a_symlink_that_replaced_a_directory_is_not_followed(tree, tmp_path):
    tree.write("d/f")
    tree.settle()
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "f").write_text("secret")
    shutil.rmtree(tree.path / "d")
    (tree.path / "d").symlink_to(outside)
    found = tree.scan("d/f")
    assert names(found) == (["d"], ["d/f"])
    assert found.changed[0].kind is Kind.SYMLINK


def test_an_event_in_an_unknown_directory_scans_all_of_it(tree):
    tree.write("new/deep/a")
    tree.write("new/b")
    found = tree.scan("new/deep/a")
    assert names(found)[0] == ["new", "new/b", "new/deep", "new/deep/a"]


def test_only_what_was_asked_for_is_looked_at(tree):
    for name in ("a", "b", "d/c"):
        tree.write(name)
    tree.settle()
    for name in ("a", "b", "d/c"):
        tree.write(name, b"changed")
    found = tree.scan("a")
    assert (names(found), found.seen) == ((["a"], []), 1)


def test_a_directory_time_is_told_with_what_moved_it(tree):
    tree.write("d/f")
    tree.settle()
    (tree.path / "d/temporary").touch()
    (tree.path / "d/temporary").unlink()
    assert names(tree.scan("d/temporary")) == ([], [])
    assert names(tree.scan()) == (["d"], [])  # in the end it is level
    tree.write("d/g")
    assert names(tree.scan("d/g")) == (["d", "d/g"], [])


def test_moves_are_recognised(tree):
    tree.write("d/f", b"content")
    tree.write("g")
    tree.settle()
    (tree.path / "d").rename(tree.path / "moved")
    (tree.path / "g").rename(tree.path / "h")
    found = {seen.path: seen for seen in tree.scan("d", "moved", "g", "h").changed}
    assert found["moved/f"].version == b"v" * 32
    assert (found["h"].version, found["h"].moved_from) == (b"", "g")


def test_ignored_paths_are_neither_seen_nor_kept(tmp_path):
    tree = Tree(tmp_path, ["*.o", "build/"])
    tree.write("build/x")
    tree.write("a.o")
    tree.write(".pyzsync/state")
    tree.write("src/b.o")
    assert names(tree.scan()) == (["src"], [])
    assert names(tree.scan("build/x", "a.o", ".pyzsync/state")) == ([], [])
    tree.index.commit([Record(Change(0, "a.o", Kind.FILE, version=b"v" * 32))])
    assert names(tree.scan())[1] == ["a.o"]
    tree.index.close()
    tree.root.close()


def test_special_files_and_unspeakable_names_are_reported(tree):
    os.mkfifo(tree.path / "pipe")
    (tree.path / ".PYZSYNC").mkdir()
    tree.write(".PYZSYNC/f")
    found = tree.scan()
    assert names(found) == ([], [])
    assert sorted(found.skipped) == [
        (".PYZSYNC", "is below the reserved name '.pyzsync'"),
        ("pipe", "is a device, a pipe or a socket"),
    ]


def test_a_file_that_became_a_pipe_is_gone(tree):
    tree.write("f")
    tree.settle()
    (tree.path / "f").unlink()
    os.mkfifo(tree.path / "f")
    assert names(tree.scan("f")) == ([], ["f"])


def test_names_that_are_not_utf8_survive(tree):
    name = os.fsdecode(b"\xff\xfe dir/\xe9")
    tree.write(name)
    assert names(tree.scan())[0] == [name.rpartition("/")[0], name]
    tree.settle()


def test_what_cannot_be_listed_is_not_gone(tree, monkeypatch):
    tree.write("d/f")
    tree.write("g")
    tree.settle()
    real = os.scandir

    def broken(fd):
        if os.fstat(fd).st_ino == (tree.path / "d").stat().st_ino:
            raise OSError(5, "Input/output error")
        return real(fd)

    monkeypatch.setattr(os, "scandir", broken)
    found = tree.scan()
    assert names(found) == ([], [])
    assert found.skipped == (("d", "cannot be listed: Input/output error"),)
    assert found.unread == {"d"}


def test_a_root_that_cannot_be_listed_is_no_empty_one(tree, monkeypatch):
    def broken(fd):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "scandir", broken)
    with pytest.raises(OSError):
        tree.scan()


def test_what_moved_is_told_from_what_appeared(tree):
    for number in range(3):
        tree.write(f"d/e/f{number}", b"%d" % number)
    (tree.path / "link").symlink_to("d")
    tree.settle()
    (tree.path / "d").rename(tree.path / "moved")
    (tree.path / "link").rename(tree.path / "other")
    found = tree.scan()
    assert (len(found.removed), found.moved) == (6, 6)
    for path in ("moved/e/f0", "other"):
        (tree.path / path).unlink()
    tree.write("moved/e/new", b"0")
    found = tree.scan()
    assert (len(found.removed), found.moved) == (6, 3)  # f1, f2 and d: the time of e has changed


def test_what_cannot_be_examined_is_not_gone(tree, monkeypatch):
    tree.write("d/f")
    tree.settle()

    def broken(path):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(tree.root, "lstat", broken)
    found = tree.scan("d/f", "d")
    assert names(found) == ([], [])
    assert ("d", "cannot be examined: Permission denied") in found.skipped
