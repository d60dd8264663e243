"""Batches: order, parents, kinds, times, races; and that no byte the hub did not give is lost."""

import errno
import os
import stat

import pytest

from pyzsync_daemon.client import commit as commit_module
from pyzsync_daemon.client.effects import Audit, Prune, State
from pyzsync_daemon.files import moves
from pyzsync_daemon.files.syscalls import Unsupported

TIME = 1_600_000_000_123_456_789


@pytest.fixture(params=["renameat2", "without"])
def renameat2(request, monkeypatch):
    def unsupported(*args):
        raise Unsupported(errno.EINVAL, "Invalid argument")

    if request.param == "without":
        monkeypatch.setattr(moves, "exchange", unsupported)
        monkeypatch.setattr(moves, "rename_new", unsupported)
    return request.param == "renameat2"


def test_the_named_steps_come_in_order(client, hub):
    client.apply(hub.file("f", b"one"))
    client.steps.clear()
    client.apply(hub.file("f", b"two"), hub.file("g", b"new"))
    assert client.steps == [
        "stage",
        "fsync",
        "intent",
        "link",
        "rename",
        "link",
        "rename",
        "dirsync",
        "record",
    ]


def test_large_batches_are_synced_at_once(client, hub):
    many = [hub.file(f"d{n % 3}/{n}", b"%d" % n) for n in range(commit_module.SYNC_EACH + 5)]
    client.apply(*many)
    assert client.steps.count("rename") == len(many) + 3
    assert client.steps.count("fsync") == client.steps.count("dirsync") == 1
    assert client.tree()["d1/4"] == b"4"


def test_a_directory_that_is_moved_away_takes_nothing_along(client, hub, tmp_path):
    (client.root / "d").mkdir()
    changes = [hub.file(f"d/{name}", b"") for name in "abc"]

    def move(step):
        if step == "rename":
            client.hook = None
            (client.root / "d").rename(tmp_path / "elsewhere")

    client.prepare(*changes)
    client.hook = move
    committed = client.commit(*changes)
    assert os.listdir(tmp_path / "elsewhere") == ["a"]  # what was on its way when it was moved
    assert {each.change.path for each in committed.applied} <= {"d/a"}
    client.apply(*changes)
    assert client.tree() == {"d": None, "d/a": b"", "d/b": b"", "d/c": b""}


def test_missing_parents_are_made_and_go_with_what_they_were_made_for(client, hub):
    client.apply(hub.file("a/b/f", b"bytes"))
    assert client.tree() == {"a": None, "a/b": None, "a/b/f": b"bytes"}
    client.apply(
        hub.directory("a", mode=0o750), hub.symlink("other", "x"), hub.symlink("more", "x")
    )
    assert stat.S_IMODE(os.lstat(client.root / "a").st_mode) == 0o750
    client.apply(hub.absent("a/b/f"), hub.absent("a/b"), hub.absent("a"))
    # Nobody but us made a/b, though the hub never announced that it was there.
    assert client.tree() == {"more": b"x", "other": b"x"}


def test_a_parent_that_was_there_stays(client, hub):
    (client.root / "a").mkdir()
    client.apply(hub.file("a/f", b"bytes"))
    client.apply(hub.absent("a/f"), hub.absent("a"))
    assert client.tree() == {"a": None}


def test_a_parent_that_is_not_announced_yet_keeps_its_times(client, hub):
    client.apply(hub.file("a/f", b"bytes"))
    before = os.lstat(client.root / "a").st_mtime_ns
    client.apply(hub.file("a/g", b"bytes"))
    assert os.lstat(client.root / "a").st_mtime_ns >= before > 0


def test_a_local_file_in_the_way_of_a_parent_is_kept_aside(client, hub, renameat2):
    (client.root / "a").write_bytes(b"local")
    client.apply(hub.file("a/b/f", b"bytes"))
    assert client.tree() == {"a": None, "a/b": None, "a/b/f": b"bytes"}
    assert client.conflicts() == [b"local"]


def test_a_local_file_in_the_way_of_a_parent_stays_if_conflicts_are_refused(client, hub):
    client.reopen(conflict="refuse")
    (client.root / "a").write_bytes(b"local")
    ready = client.stage(hub.file("a/b/f", b"bytes"), hub.file("c/f", b"other"))
    committed = client.commit(*ready)
    sentence = "a: holds local content, and conflicts are refused"
    assert [(change.path, error) for change, error in committed.refused] == [("a/b/f", sentence)]
    assert client.tree() == {"a": b"local", "c": None, "c/f": b"other"}
    assert client.conflicts() == []
    client.reopen()
    client.apply(ready[0])
    assert client.conflicts() == [b"local"]
    assert client.private("staging") == {}


def test_a_symlink_in_the_way_of_a_parent_is_not_followed(client, hub, tmp_path):
    (tmp_path / "outside").mkdir()
    (client.root / "a").symlink_to(tmp_path / "outside")
    client.apply(hub.file("a/f", b"bytes"))
    assert client.tree() == {"a": None, "a/f": b"bytes"}
    assert list((tmp_path / "outside").iterdir()) == []


KINDS = {
    "file": lambda hub, path: [hub.file(path, b"bytes")],
    "empty": lambda hub, path: [hub.directory(path)],
    "full": lambda hub, path: [hub.directory(path), hub.file(f"{path}/in", b"inner")],
    "link": lambda hub, path: [hub.symlink(path, "target")],
}


def tree_of(kind):
    return {
        "file": {"p": b"bytes"},
        "empty": {"p": None},
        "full": {"p": None, "p/in": b"inner"},
        "link": {"p": b"target"},
    }[kind]


@pytest.mark.parametrize("new", KINDS)
@pytest.mark.parametrize("old", KINDS)
def test_every_kind_becomes_every_other(client, hub, renameat2, old, new):
    client.apply(*KINDS[old](hub, "p"))
    changes = KINDS[new](hub, "p")
    if old == "full" and new != "full":
        changes.append(hub.absent("p/in"))
    client.apply(*changes)
    assert client.tree() == tree_of(new)
    assert client.conflicts() == []
    assert client.private("staging") == {}


@pytest.mark.parametrize("new", ["file", "link"])
def test_local_files_in_a_directory_that_becomes_something_else_are_kept(
    client, hub, renameat2, new
):
    client.apply(*KINDS["full"](hub, "p"))
    (client.root / "p/mine").write_bytes(b"mine")
    applied = client.apply(*KINDS[new](hub, "p"), hub.absent("p/in"))
    assert client.tree() == tree_of(new)
    assert client.conflicts() == [b"inner", b"mine"]  # the directory as a whole
    assert applied["p"].conflict.startswith(".pyzsync/conflicts/p.")


def test_local_files_in_a_directory_that_is_deleted_stay_where_they_are(client, hub):
    client.apply(*KINDS["full"](hub, "p"), hub.file("q", b""))
    (client.root / "p/mine").write_bytes(b"mine")
    client.apply(hub.absent("p/in"), hub.absent("p"))
    assert client.tree() == {"p": None, "p/mine": b"mine", "q": b""}
    assert client.conflicts() == []


def test_a_special_file_in_the_way_is_moved_aside(client, hub):
    os.mkfifo(client.root / "p")
    client.apply(hub.file("p", b"bytes"))
    assert client.tree() == {"p": b"bytes"}
    (kept,) = (client.root / ".pyzsync/conflicts").iterdir()
    assert stat.S_ISFIFO(kept.lstat().st_mode)


def test_times_and_modes_of_directories_come_last(client, hub):
    client.apply(hub.directory("d", mode=0o555), hub.file("d/f", b"one"))
    folder = client.root / "d"
    assert (folder.stat().st_mtime_ns, stat.S_IMODE(folder.stat().st_mode)) == (TIME, 0o555)
    client.apply(hub.file("d/f", b"two"), hub.file("d/g", b"new"))
    assert (folder.stat().st_mtime_ns, stat.S_IMODE(folder.stat().st_mode)) == (TIME, 0o555)
    client.apply(hub.absent("d/f"))
    assert (folder.stat().st_mtime_ns, stat.S_IMODE(folder.stat().st_mode)) == (TIME, 0o555)


# --- local content -------------------------------------------------------------------------------


def test_a_local_edit_is_kept_aside_before_it_is_replaced(client, hub):
    client.apply(hub.file("d/f", b"one"))
    (client.root / "d/f").write_bytes(b"mine")
    applied = client.apply(hub.file("d/f", b"two"))
    assert client.tree() == {"d": None, "d/f": b"two"}
    kept = applied["d/f"].conflict
    assert kept.startswith(".pyzsync/conflicts/d/f.")
    assert (client.root / kept).read_bytes() == b"mine"


def test_an_edit_with_its_mtime_put_back_is_noticed(client, hub):
    client.apply(hub.file("f", b"one"))
    path = client.root / "f"
    before = path.stat()
    path.write_bytes(b"two")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    client.apply(hub.file("f", b"new"))
    assert client.conflicts() == [b"two"]


def test_what_the_hub_once_published_is_merely_old(client, hub):
    (client.root / "f").write_bytes(b"older")
    change = hub.file("f", b"newer")
    outcome = client.prepare(change)["f"]
    assert outcome.local == hub.file("elsewhere", b"older").version
    client.fetch(change, outcome.plan)
    (applied,) = client.commit(change, published={("f", outcome.local)}).applied
    assert applied.conflict == ""
    assert client.conflicts() == []
    assert client.tree() == {"f": b"newer"}


def test_an_equal_file_is_adopted(client, hub):
    (client.root / "f").write_bytes(b"bytes")
    inode = (client.root / "f").stat().st_ino
    client.apply(hub.file("f", b"bytes", mode=0o640))
    status = (client.root / "f").stat()
    assert (status.st_ino, stat.S_IMODE(status.st_mode), status.st_mtime_ns) == (inode, 0o640, TIME)
    assert hub.leaves_sent == 0


def test_an_edited_file_that_the_hub_deletes_is_kept_aside(client, hub):
    client.apply(hub.file("f", b"one"), hub.file("g", b""))
    (client.root / "f").write_bytes(b"mine")
    client.apply(hub.absent("f"))
    assert client.tree() == {"g": b""}
    assert client.conflicts() == [b"mine"]


def test_what_stands_where_the_hub_deleted_something_else_is_left_alone(client, hub):
    client.apply(hub.file("f", b"one"), hub.file("g", b""))
    (client.root / "f").unlink()
    (client.root / "f").mkdir()
    (client.root / "f/mine").write_bytes(b"mine")
    client.apply(hub.absent("f"))
    assert client.tree() == {"f": None, "f/mine": b"mine", "g": b""}


def test_overwrite_keeps_nothing_aside(client, hub):
    client.apply(hub.file("f", b"one"))
    client.reopen(conflict="overwrite")
    (client.root / "f").write_bytes(b"mine")
    client.apply(hub.file("f", b"two"))
    assert client.tree() == {"f": b"two"}
    assert client.conflicts() == []


def test_refuse_leaves_a_local_edit_in_place(client, hub):
    client.apply(hub.file("f", b"one"))
    client.reopen(conflict="refuse")
    (client.root / "f").write_bytes(b"mine")
    outcome = client.prepare(hub.file("f", b"two"))["f"]
    assert outcome.state is State.REFUSED
    assert outcome.error == "f: was changed locally, and conflicts are refused"
    assert client.prepare(hub.absent("f"))["f"].state is State.REFUSED
    assert client.tree() == {"f": b"mine"}


def test_refuse_asks_about_a_file_that_was_there_before_us(client, hub):
    client.reopen(conflict="refuse")
    (client.root / "f").write_bytes(b"older")
    change = hub.file("f", b"newer")
    outcome = client.prepare(change)["f"]
    client.fetch(change, outcome.plan)
    ((_, error),) = client.commit(change).refused
    assert error == "f: holds local content, and conflicts are refused"
    assert client.tree() == {"f": b"older"}
    client.commit(change, published={("f", outcome.local)})
    assert client.tree() == {"f": b"newer"}


def test_mirror_mode_moves_aside_what_the_hub_never_published(client, hub):
    client.reopen(mirror=True)
    client.apply(hub.directory("d"), hub.file("d/f", b"one"))
    (client.root / "d/mine").write_bytes(b"mine")
    (client.root / "other").mkdir()
    (client.root / "other/too").write_bytes(b"too")
    changes = client.bench.audit(Audit()).changes
    assert sorted(change.path for change in changes) == ["d/mine", "other"]
    assert client.bench.prune(Prune(frozenset(["d", "d/f"]))).changes == changes
    client.apply(*changes)
    assert client.tree() == {"d": None, "d/f": b"one"}
    assert client.conflicts() == [b"mine", b"too"]


def test_mirror_mode_moves_aside_what_it_might_overwrite(client, hub):
    client.reopen(mirror=True, conflict="overwrite", attic_bytes=0)
    (client.root / "mine").write_bytes(b"mine")
    client.apply(*client.bench.prune(Prune(frozenset())).changes)
    assert client.tree() == {}
    assert client.conflicts() == [b"mine"]


# --- races ---------------------------------------------------------------------------------------


def overwrite(path):
    with path.open("r+b") as file:
        file.write(b"late")


def replace_by_rename(path):
    other = path.with_name("editor~")
    other.write_bytes(b"late")
    other.rename(path)


@pytest.mark.parametrize("edit", [overwrite, replace_by_rename])
@pytest.mark.parametrize("change", ["replace", "delete", "directory"])
def test_an_edit_between_the_check_and_the_rename_is_kept_aside(client, hub, edit, change):
    client.apply(hub.file("f", b"once"), hub.file("g", b""))
    path = client.root / "f"
    client.hook = lambda step: edit(path) if step == "link" else None
    changes = {
        "replace": hub.file("f", b"new"),
        "delete": hub.absent("f"),
        "directory": hub.directory("f"),
    }
    applied = client.apply(changes[change])
    assert client.conflicts() == [b"late"]
    assert applied["f"].conflict
    expected = {"replace": {"f": b"new"}, "delete": {}, "directory": {"f": None}}[change]
    assert client.tree() == {"g": b"", **expected}


def test_an_edit_in_place_is_kept_aside_without_renameat2_too(client, hub, monkeypatch):
    def unsupported(*args):
        raise Unsupported(errno.EINVAL, "Invalid argument")

    monkeypatch.setattr(moves, "exchange", unsupported)
    client.apply(hub.file("f", b"once"))
    client.hook = lambda step: overwrite(client.root / "f") if step == "link" else None
    client.apply(hub.file("f", b"new"))
    assert client.conflicts() == [b"late"]
    assert client.tree() == {"f": b"new"}


def test_an_edit_before_the_check_sends_the_change_back(client, hub):
    client.apply(hub.file("f", b"once"))
    (ready,) = client.stage(hub.file("f", b"new"))
    overwrite(client.root / "f")
    assert client.commit(ready).again == (ready,)
    assert client.tree() == {"f": b"late"}


def test_a_file_that_appears_where_nothing_was_is_not_overwritten(client, hub):
    (ready,) = client.stage(hub.file("f", b"hub's"))
    path = client.root / "f"
    client.hook = lambda step: path.write_bytes(b"late") if step == "link" else None
    assert client.commit(ready).again == (ready,)
    assert client.tree() == {"f": b"late"}
    client.hook = None
    client.apply(ready)
    assert client.tree() == {"f": b"hub's"}
    assert client.conflicts() == [b"late"]


def test_an_edit_right_after_the_rename_is_a_local_edit(client, hub):
    client.apply(hub.file("f", b"once"))
    client.hook = lambda step: overwrite(client.root / "f") if step == "rename" else None
    client.apply(hub.file("f", b"second"))
    client.hook = None
    assert client.tree() == {"f": b"latend"}
    client.apply(hub.file("f", b"third"))
    assert client.tree() == {"f": b"third"}
    assert [kept[:4] for kept in client.conflicts()] == [b"late"]


def test_a_directory_filled_between_the_check_and_the_rename_is_kept_aside(client, hub):
    client.apply(hub.directory("p"))
    path = client.root / "p"

    def fill(step):
        if step == "link":
            (path / "mine").write_bytes(b"mine")

    client.hook = fill
    client.apply(hub.file("p", b"file"))
    assert client.tree() == {"p": b"file"}
    assert client.conflicts() == [b"mine"]


# --- what fails stays its own affair ------------------------------------------------------------


def test_one_failure_does_not_hold_up_the_batch(client, hub, monkeypatch):
    ready = client.stage(hub.file("a", b"a"), hub.file("b", b"b"), hub.file("c", b"c"))
    real = moves.rename_new

    def failing(old_fd, old, new_fd, new):
        if new == "b":
            raise OSError(errno.EIO, "Input/output error")
        real(old_fd, old, new_fd, new)

    monkeypatch.setattr(moves, "rename_new", failing)
    committed = client.commit(*ready)
    assert [applied.change.path for applied in committed.applied] == ["a", "c"]
    assert committed.failed == ((ready[1], "b: Input/output error"),)
    monkeypatch.undo()
    client.apply(ready[1])
    assert client.tree() == {"a": b"a", "b": b"b", "c": b"c"}
    assert hub.leaves_sent == 3


def test_what_cannot_be_kept_aside_is_not_lost(client, hub):
    client.apply(hub.file("f", b"one"))
    (client.root / "f").write_bytes(b"mine")
    (client.root / ".pyzsync/conflicts").write_bytes(b"in the way")
    (ready,) = client.stage(hub.file("f", b"two"))
    ((_, error),) = client.commit(ready).failed
    assert error == "f: Not a directory (while keeping local content aside)"
    assert b"mine" in client.private("staging").values()
    (client.root / ".pyzsync/conflicts").unlink()
    client.reopen()
    assert len(client.bench.recovered) == 1
    assert client.conflicts() == [b"mine"]
    client.apply(hub.file("f", b"two"))
    assert client.tree() == {"f": b"two"}
