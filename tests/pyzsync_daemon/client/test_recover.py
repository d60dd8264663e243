"""A crash at any named step: old or new at every path, nothing lost, nothing kept for no reason."""

import errno
import os

import pytest

from pyzsync_daemon.client.conflicts import Conflicts
from pyzsync_daemon.client.records import Intent
from pyzsync_daemon.client.staging import STAGING
from pyzsync_daemon.files import moves
from pyzsync_daemon.files.root import Fingerprint
from pyzsync_daemon.files.syscalls import Unsupported

BIG = bytes(range(256)) * 256


@pytest.fixture(params=["renameat2", "without"])
def renameat2(request, monkeypatch):
    def unsupported(*args):
        raise Unsupported(errno.EINVAL, "Invalid argument")

    if request.param == "without":
        monkeypatch.setattr(moves, "exchange", unsupported)
        monkeypatch.setattr(moves, "rename_new", unsupported)
    return request.param == "renameat2"


def create(hub):
    return [], [hub.directory("d"), hub.file("d/f", b"new"), hub.symlink("d/l", "target")]


def replace(hub):
    before = [hub.file("f", BIG), hub.file("g", b"one"), hub.symlink("l", "old")]
    return before, [hub.file("f", BIG[1:]), hub.file("g", b"two"), hub.symlink("l", "new")]


def delete(hub):
    before = [hub.directory("d"), hub.file("d/f", b"old"), hub.symlink("d/l", "t")]
    before += [hub.file("keep", b"k"), hub.symlink("more", "x"), hub.symlink("yet", "x")]
    return before, [hub.absent("d/f"), hub.absent("d/l"), hub.absent("d")]


def rename(hub):
    before = [hub.directory("d"), hub.file("d/f", BIG), hub.file("d/g", b"g")]
    after = [hub.directory("e"), hub.file("e/f", BIG), hub.file("e/g", b"g")]
    return before, [*after, hub.absent("d/f"), hub.absent("d/g"), hub.absent("d")]


def file_to_directory(hub):
    return [hub.file("p", b"old")], [hub.directory("p"), hub.file("p/in", b"new")]


def directory_to_file(hub):
    before = [hub.directory("p"), hub.file("p/in", b"old"), hub.file("keep", b"k")]
    return before, [hub.file("p", b"new"), hub.absent("p/in")]


def under_a_file(hub):
    return [hub.file("p", b"old")], [hub.file("p/q/in", b"new")]


def touch(hub):
    before = [hub.file("f", b"same"), hub.directory("d", mode=0o755)]
    return before, [hub.file("f", b"same", mode=0o600, mtime_ns=5), hub.directory("d", mode=0o700)]


SCENES = [
    create,
    replace,
    delete,
    rename,
    file_to_directory,
    directory_to_file,
    under_a_file,
    touch,
]


def kill_at(number, killed):
    """A hook that dies at the step of this number."""
    count = iter(range(10_000))

    def hook(name):
        if next(count) == number:
            raise killed

    return hook


def commit_and_die(client, ready, number, killed):
    """Whether the process died before the commit was over."""
    client.hook = kill_at(number, killed)
    try:
        client.commit(*ready)
    except killed:
        return True
    finally:
        client.hook = None
    return False


def settled(client):
    return client.private("staging") == {} and client.bench.recovered == []


def fresh(client, tmp_path, number):
    """The same client on a new root."""
    client.bench.close()
    client.root = tmp_path / f"replica-{number}"
    client.open()


@pytest.mark.parametrize("scene", SCENES)
def test_a_crash_leaves_old_or_new_and_the_next_run_finishes(
    client, hub, killed, tmp_path, renameat2, scene
):
    number, died = 0, True
    while died:
        fresh(client, tmp_path, number)
        before, after = scene(hub)
        client.apply(*before)
        old = client.tree()
        died = commit_and_die(client, client.stage(*after), number, killed)
        crashed = client.tree()
        client.reopen()
        mixed = client.tree()
        client.apply(*after)
        new = client.tree()
        for path in old.keys() & new.keys():
            if renameat2:  # without, a path may be empty in between, and comes back
                assert crashed[path] in (old[path], new[path])
            assert mixed[path] in (old[path], new[path])
        assert set(mixed.items()) <= set(old.items()) | set(new.items())
        assert client.conflicts() == []
        client.reopen()
        assert client.tree() == new
        assert settled(client)
        assert client.bench.audit(None).changes == ()
        number += 1
    assert number > 5


@pytest.mark.parametrize("scene", [replace, delete, directory_to_file])
def test_a_local_edit_survives_a_crash_at_every_step_exactly_once(
    client, hub, killed, tmp_path, renameat2, scene
):
    number, died = 0, True
    while died:
        fresh(client, tmp_path, number)
        before, after = scene(hub)
        client.apply(*before)
        edited = next(c.path for c in before if c.kind == 1 and c.path != "keep")
        (client.root / edited).write_bytes(b"mine")
        died = commit_and_die(client, client.stage(*after), number, killed)
        client.reopen()
        client.apply(*after)
        client.reopen()
        assert client.conflicts() == [b"mine"]
        assert b"mine" not in client.tree().values()
        number += 1


@pytest.mark.parametrize("old", [b"old", None])
def test_a_newer_version_after_a_crash_finds_no_local_edit(
    client, hub, killed, tmp_path, renameat2, old
):
    number, died = 0, True
    while died:
        fresh(client, tmp_path, number)
        client.apply(*([hub.file("f", old)] if old else []))
        died = commit_and_die(client, client.stage(hub.file("f", b"new")), number, killed)
        client.reopen()
        outcome = client.prepare(hub.file("f", b"newer"))["f"]
        assert outcome.local == b""
        client.apply(outcome.change)
        assert client.tree() == {"f": b"newer"}
        assert client.conflicts() == []
        number += 1


def test_an_edit_after_the_crash_is_a_local_edit(client, hub, killed):
    client.apply(hub.file("f", b"old"))
    change = hub.file("f", b"new")
    ready = client.stage(change)
    assert commit_and_die(client, ready, 4, killed)  # after the rename
    assert client.tree() == {"f": b"new"}
    status = (client.root / "f").stat()
    (client.root / "f").write_bytes(b"me!")
    os.utime(client.root / "f", ns=(status.st_atime_ns, status.st_mtime_ns))
    client.reopen()
    client.apply(hub.file("f", b"newer"))
    assert client.tree() == {"f": b"newer"}
    assert client.conflicts() == [b"me!"]


def test_a_file_put_in_place_of_ours_after_the_crash_is_not_taken_for_ours(client, hub, killed):
    client.apply(hub.file("f", b"old"))
    ready = client.stage(hub.file("f", b"new"))
    assert commit_and_die(client, ready, 4, killed)
    (client.root / "other").write_bytes(b"mine")
    (client.root / "other").rename(client.root / "f")
    client.reopen()
    assert client.tree() == {"f": b"mine"}
    client.apply(*ready)
    assert client.conflicts() == [b"mine"]


def test_a_crash_in_recovery_is_recovered_from(client, hub, killed, monkeypatch):
    client.apply(hub.file("f", b"old"))
    (client.root / "f").write_bytes(b"mine")
    ready = client.stage(hub.file("f", b"new"))
    assert commit_and_die(client, ready, 4, killed)
    client.bench.close()

    def dies(*args, **kwargs):
        raise killed

    index = "pyzsync_daemon.client.index.ClientIndex.record"
    with monkeypatch.context() as patch:
        patch.setattr(index, dies)
        with pytest.raises(killed):
            client.open()
    client.open()
    client.apply(*ready)
    assert client.tree() == {"f": b"new"}
    assert client.conflicts() == [b"mine"]


def test_an_old_intent_does_not_undo_what_was_recorded_since(client, hub):
    client.apply(hub.file("f", b"new", mode=0o600))
    found = Fingerprint.of(os.lstat(client.root / "f"))
    stale = Intent(hub.file("f", b"new"), "name", found, None, False, b"")
    client.bench._replica.index.intend([stale])
    client.reopen()
    assert client.bench._replica.index.get("f").change.mode == 0o600
    assert client.bench._replica.index.intents() == []


def test_what_nobody_knows_of_in_staging_is_not_thrown_away_unread(client, hub):
    top = client.root / STAGING
    (top / "folder").mkdir()
    (top / "folder/file").write_bytes(b"whose?")
    (top / "void").mkdir()
    (top / "link").symlink_to("x")
    client.reopen()
    assert client.conflicts() == [b"whose?"]
    assert list(top.iterdir()) == []
    assert len(client.bench.recovered) == 2


def test_remains_end_before_the_record_is_written(client, hub, killed):
    """After it nobody would come for them: the path is as announced, and is not announced again."""
    change = hub.file("f", BIG)
    outcome = client.prepare(change)["f"]
    client.bench.put(hub.put(change, outcome.plan.blocks[0]))
    client.reopen()
    [left] = client.private("staging")
    ready = client.stage(change)
    assert commit_and_die(client, ready, 6, killed)  # after the record
    client.reopen()
    assert left
    assert client.tree() == {"f": BIG}
    assert client.private("staging") == {}


def lose_index(client):
    client.bench.close()
    for path in (client.root / ".pyzsync").glob("index.sqlite*"):
        path.unlink()
    client.open()


@pytest.mark.parametrize("step", [5, 6])  # displaced; put away, in the record
def test_a_local_edit_survives_a_crash_and_the_loss_of_the_index(client, hub, killed, step):
    client.apply(hub.file("f", b"old"), hub.symlink("l", "old"))
    (client.root / "f").write_bytes(b"mine")
    (client.root / "l").unlink()
    (client.root / "l").symlink_to("mine")
    ready = client.stage(hub.file("f", b"new"), hub.symlink("l", "new"))
    assert commit_and_die(client, ready, step, killed)
    lose_index(client)
    client.apply(*ready)
    client.apply(hub.file("f", b"newer"))
    assert b"mine" in client.conflicts() or client.tree()["f"] == b"mine"
    links = [path for path in client.root.rglob("*") if path.is_symlink()]
    assert "mine" in [str(path.readlink()) for path in links]
    assert client.private("staging") == {}


@pytest.mark.parametrize("step", range(3))  # before anything has taken its place
def test_what_we_made_ourselves_is_no_conflict_whatever_the_index_says(client, hub, killed, step):
    fetched, interrupted = hub.file("f", BIG), hub.file("g", BIG[1:])
    outcome = client.prepare(interrupted)["g"]
    client.bench.put(hub.put(interrupted, outcome.plan.blocks[0]))
    ready = client.stage(fetched, hub.symlink("l", "t"), hub.directory("d"), hub.file("e", b""))
    assert commit_and_die(client, ready, step, killed)
    lose_index(client)
    assert client.bench.recovered == []
    hub.leaves_sent = 0
    client.apply(*ready, interrupted)
    assert hub.leaves_sent == 0
    assert client.private("staging") == {}


def test_one_intent_that_cannot_be_settled_does_not_stop_the_start(
    client, hub, killed, monkeypatch
):
    client.apply(hub.file("f", b"old"), hub.file("g", b"old"))
    for name in "fg":
        (client.root / name).write_bytes(b"my " + name.encode())
    ready = client.stage(hub.file("f", b"new"), hub.file("g", b"new"))
    keep = "pyzsync_daemon.client.conflicts.Conflicts.keep"
    real = Conflicts.keep

    def full(self, fd, name, path):
        if path == "f":
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(self, fd, name, path)

    with monkeypatch.context() as patch:
        patch.setattr(keep, full)
        client.commit(*ready)
        client.reopen()
        assert client.bench.unrecovered == ["f: No space left on device"]
        assert client.conflicts() == [b"my g"]
        client.apply(hub.file("f", b"newer"))
        assert client.tree() == {"f": b"newer", "g": b"new"}
    client.reopen()
    assert client.bench.unrecovered == []
    assert client.conflicts() == [b"my f", b"my g"]
    assert client.private("staging") == {}


def test_what_cannot_be_swept_does_not_stop_the_start(client, hub, monkeypatch):
    (client.root / STAGING / "whose").write_bytes(b"?")

    def full(*args):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("pyzsync_daemon.client.conflicts.Conflicts.keep", full)
        client.reopen()
    assert client.bench.unrecovered == [".pyzsync/staging/whose: No space left on device"]
    client.reopen()
    assert client.conflicts() == [b"?"]
