import os
import struct
import threading

import pytest

from protocol.codec import announce_frames, decode_frame
from protocol.messages import Change, Flag, Kind, Position
from pyzsync_daemon.files.db import UnusableDatabase
from pyzsync_daemon.files.root import Fingerprint
from pyzsync_daemon.hub import index as module
from pyzsync_daemon.hub.index import HubIndex
from pyzsync_daemon.hub.records import Batch, Record

PRINT = Fingerprint(2**64 - 1, 7, -5, 2**62, 0o100644)


def version(number):
    return number.to_bytes(32, "big")


def file(path, number=1, **more):
    fields = {"mode": 0o644, "mtime_ns": number, "size": number, "version": version(number)}
    return Record(Change(0, path, Kind.FILE, **(fields | more)), PRINT)


def directory(path, mtime_ns=1):
    return Record(Change(0, path, Kind.DIRECTORY, 0o755, mtime_ns))


def absent(path):
    return Record(Change(0, path, Kind.ABSENT))


@pytest.fixture
def index(tmp_path):
    with_state = HubIndex(tmp_path / "hub.db")
    yield with_state
    with_state.close()


def test_a_batch_is_numbered_chained_and_kept(index, tmp_path):
    start = index.position()
    batch = index.commit([file("a"), directory("d"), file("d/b", 2)])
    assert [change.seq for change in batch.changes] == [1, 2, 3]
    assert batch.previous == start
    assert batch.position == index.position()
    assert (batch.position.seq, batch.position.epoch) == (3, start.epoch)
    assert batch.position.head != start.head
    again = HubIndex(tmp_path / "hub.db")
    assert (again.position(), again.live, again.identity) == (batch.position, 3, index.identity)
    assert again.get("d/b") == Record(batch.changes[2], PRINT)
    again.close()


def test_creations_come_before_deletions_parents_before_children(index):
    index.commit([directory("old"), directory("old/sub"), file("old/sub/f"), file("z")])
    batch = index.commit(
        [absent("old/sub/f"), absent("old"), absent("old/sub"), file("new/f", 2), directory("new")]
    )
    assert [change.path for change in batch.changes] == [
        "new",
        "new/f",
        "old/sub/f",
        "old/sub",
        "old",
    ]
    assert index.live == 3


def test_what_is_equal_is_not_announced_but_its_evidence_is_refreshed(index):
    first = index.commit([Record(file("a").change, PRINT, racy=True)])
    other = Fingerprint(1, 2, 3, 4, 5)
    batch = index.commit([Record(file("a").change, other, racy=False), absent("never")])
    assert batch == Batch((), first.position, first.position)
    assert index.get("a") == Record(first.changes[0], other, racy=False)


def test_every_field_makes_another_head(tmp_path):
    heads = set()
    base = file("a")
    variants = [
        base,
        file("b"),
        file("a", mode=0o600),
        file("a", mtime_ns=9),
        file("a", 1, size=3),
        file("a", 1, version=version(3)),
        file("a", flags=Flag.SPARSE),
        directory("a"),
        Record(Change(0, "a", Kind.SYMLINK, target="x")),
        Record(Change(0, "a", Kind.SYMLINK, target="y")),
    ]
    epoch = None
    for number, variant in enumerate(variants):
        path = tmp_path / f"{number}.db"
        index = HubIndex(path)
        index._write.execute("UPDATE meta SET value = ? WHERE name = 'epoch'", (bytes(16),))
        index._position = Position(bytes(16), 0, bytes(32))
        heads.add(index.commit([variant]).position.head)
        index.close()
        epoch = index.position().epoch
    assert epoch == bytes(16)
    assert len(heads) == len(variants)


def test_a_version_follows_the_last_other_version(index):
    assert index.commit([file("a", 1)]).changes[0].follows == b""
    assert index.commit([file("a", 2)]).changes[0].follows == version(1)
    chmod = index.commit([file("a", 2, mode=0o600)]).changes[0]
    assert (chmod.version, chmod.follows) == (version(2), version(1))
    assert index.commit([absent("a")]).changes[0].follows == version(2)
    assert index.commit([file("a", 3)]).changes[0].follows == b""


def test_since_shows_the_latest_change_of_each_path(index):
    index.commit([file("a"), file("b")])
    middle = index.position()
    index.commit([file("a", 2)])
    index.commit([absent("b")])
    assert [(c.seq, c.path, c.kind) for c in index.since(0, 10)] == [
        (3, "a", Kind.FILE),
        (4, "b", Kind.ABSENT),
    ]
    assert [c.seq for c in index.since(middle.seq, 1)] == [3]
    assert index.since(4, 10) == []


def test_what_is_logged_can_be_said_on_the_wire(index):
    name = os.fsdecode(b"d/\xff\n.txt")
    index.commit([directory("d"), file(name), file("a")])
    link = Record(Change(0, "a", Kind.SYMLINK, 0o777, 5, target="../x"))
    index.commit([link, absent(name), file("b", flags=Flag.SPARSE)])
    changes = index.since(0, 10)
    (frame,) = announce_frames(changes, index.position())
    (announce,) = decode_frame(frame)
    assert announce.changes == tuple(changes)


def test_a_snapshot_is_paged_by_path_without_tombstones(index):
    index.commit([directory("d"), file("d/x"), file("d!"), file("a"), file("gone")])
    index.commit([absent("gone")])
    first = index.snapshot("", 2)
    rest = index.snapshot(first[-1].path, 10)
    assert [change.path for change in first + rest] == ["a", "d", "d!", "d/x"]
    assert [record.change for record in index.entries()] == first + rest


def test_children_and_subtrees(index):
    index.commit([directory("d"), directory("d/e"), file("d/e/f"), file("d/g"), file("d0")])
    assert set(index.children("")) == {"d", "d0"}
    assert set(index.children("d")) == {"d/e", "d/g"}
    assert [record.change.path for record in index.subtree("d")] == ["d/e", "d/e/f", "d/g"]
    assert index.known(["d/g", "nothing"]).keys() == {"d/g"}


class TestResuming:
    def test_at_the_ends_of_batches_only(self, index):
        start = index.position()
        middle = index.commit([file("a"), file("b")]).position
        index.commit([file("a", 2)])
        assert index.resumable(start)
        assert index.resumable(middle)
        assert index.resumable(index.position())
        assert not index.resumable(Position(middle.epoch, 1, middle.head))

    def test_not_at_a_position_of_another_log(self, index):
        here = index.commit([file("a")]).position
        assert not index.resumable(Position(bytes(16), here.seq, here.head))
        assert not index.resumable(Position(here.epoch, here.seq, bytes(32)))
        assert not index.resumable(Position(here.epoch, here.seq + 1, here.head))

    def test_not_before_dropped_tombstones(self, tmp_path):
        index = HubIndex(tmp_path / "hub.db", tombstones=8)
        index.commit([file(f"f{number}") for number in range(20)])
        positions = [index.commit([absent(f"f{number}")]).position for number in range(20)]
        assert len(index.since(0, 100)) == 8
        assert not index.resumable(positions[10])
        assert index.resumable(positions[11])
        index.close()
        again = HubIndex(tmp_path / "hub.db", tombstones=8)
        assert not again.resumable(positions[10])
        assert again.resumable(positions[11])
        again.close()

    def test_not_after_the_state_was_restored_and_written_on(self, tmp_path):
        path = tmp_path / "hub.db"
        index = HubIndex(path)
        index.commit([file("a")])
        index.close()
        backup = path.read_bytes()
        index = HubIndex(path)
        seen = index.commit([file("b", 1)]).position
        index.close()
        path.write_bytes(backup)
        restored = HubIndex(path)
        assert not restored.resumable(seen)
        other = restored.commit([file("b", 2)]).position
        assert (other.epoch, other.seq) == (seen.epoch, seen.seq)
        assert not restored.resumable(seen)
        restored.close()

    def test_a_new_database_begins_another_epoch_of_the_same_hub(self, tmp_path):
        first = HubIndex(tmp_path / "hub.db")
        first.close()
        (tmp_path / "hub.db").unlink()
        second = HubIndex(tmp_path / "hub.db")
        assert second.identity == first.identity
        assert not second.resumable(first.position())
        second.close()


class TestVersions:
    def test_published_knows_present_and_past(self, index):
        index.commit([file("a", 1)])
        index.commit([file("a", 2)])
        assert index.published("a", version(2))
        assert index.published("a", version(1))
        assert not index.published("b", version(1))
        index.commit([absent("a")])
        assert index.published("a", version(2))

    def test_history_is_bounded_by_path(self, index):
        newest = module.HISTORY_PER_PATH + 5
        for number in range(1, newest + 1):
            index.commit([file("a", number)])
        remembered = [n for n in range(1, newest + 1) if index.published("a", version(n))]
        assert remembered == list(range(newest - module.HISTORY_PER_PATH, newest + 1))

    def test_history_is_bounded_in_all(self, tmp_path, monkeypatch):
        monkeypatch.setattr(module, "HISTORY_TOTAL", 10)
        index = HubIndex(tmp_path / "hub.db", tombstones=8)
        for number in (1, 2):
            index.commit([file(f"f{name}", number) for name in range(30)])
        remembered = [name for name in range(30) if index.published(f"f{name}", version(1))]
        assert len(remembered) == 10
        index.close()

    def test_where_a_version_is_and_where_it_was(self, index):
        index.commit([file("a", 1), file("b", 1)])
        assert index.path_of(version(1)) in {"a", "b"}
        index.commit([file("a", 2), absent("b")])
        assert index.path_of(version(1)) is None
        assert index.paths_once(version(1)) == ["a"]

    def test_trees_of_present_and_previous_versions_are_kept(self, index):
        for number in (1, 2, 3):
            index.commit([file("a", number)])
        index.commit([file("gone", 9)])
        index.commit([absent("gone")])
        assert index.versions_to_keep() == {version(2), version(3)}


def test_a_failed_commit_changes_nothing(index):
    before = index.commit([file("a")]).position
    impossible = Fingerprint(1, 2, 3, 2**80, 5)
    with pytest.raises(struct.error):
        index.commit([file("a", 2), Record(file("b").change, impossible)])
    assert index.position() == before
    assert index.live == 1
    assert index.commit([file("a", 2)]).changes[0].seq == 2


def test_readers_do_not_wait_for_a_commit(index):
    index.commit([file("a")])
    seen = []
    with index._write_lock:  # as held by a long commit
        thread = threading.Thread(target=lambda: seen.append(index.get("a")))
        thread.start()
        thread.join(5)
    assert seen and seen[0].change.path == "a"


def test_old_heads_are_dropped(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "HEADS", 3)
    index = HubIndex(tmp_path / "hub.db", tombstones=8)
    positions = [index.commit([file("a", number)]).position for number in range(1, 9)]
    assert [index.resumable(position) for position in positions] == [False] * 5 + [True] * 3
    index.close()


def test_what_is_noted_of_the_log_outlives_the_process(tmp_path):
    index = HubIndex(tmp_path / "hub.db")
    assert (index.complete, index.root) == (False, b"")
    index.set_root(b"1:2")
    index.set_complete()
    index.close()
    index = HubIndex(tmp_path / "hub.db")
    assert (index.complete, index.root) == (True, b"1:2")
    index.close()


def test_a_damaged_database_is_named(tmp_path):
    (tmp_path / "hub.db").write_bytes(b"junk" * 1000)
    with pytest.raises(UnusableDatabase, match="cannot be used: file is not a database"):
        HubIndex(tmp_path / "hub.db")
