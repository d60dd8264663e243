import random
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.codec import decode_frame
from protocol.errors import Code, ProtocolError
from protocol.limits import MAX_FRAME
from protocol.messages import Announce, Change, Delta, DeltaQuery, Hashlist, Kind, Position
from pyzsync_daemon.files.trees import TreeStore
from pyzsync_daemon.hub import log as log_module
from pyzsync_daemon.hub.frames import keep_answers
from pyzsync_daemon.hub.index import HubIndex
from pyzsync_daemon.hub.log import AnnounceLog, Live, Snapshot
from pyzsync_daemon.hub.pushes import LEARNED_BYTES, PUSH_CHANGES
from pyzsync_daemon.hub.records import Record
from pyzsync_daemon.hub.source import BlockSource


@pytest.fixture
def log(disk):
    return AnnounceLog(disk.index, disk.store)


@pytest.fixture
def small_pages(monkeypatch):
    monkeypatch.setattr(log_module, "PAGE_CHANGES", 4)


def source_of(disk):
    kept = keep_answers(1 << 24)
    return BlockSource(disk.root, disk.index, disk.store, kept, lambda path: None)


def names(count, prefix="f"):
    return [f"{prefix}{i:04}" for i in range(count)]


def messages(page):
    assert all(len(frame) <= MAX_FRAME for frame in page.frames)
    return [message for frame in page.frames for message in decode_frame(frame)]


def paths(page):
    announced = [message for message in messages(page) if isinstance(message, Announce)]
    return [change.path for message in announced for change in message.changes]


def drain(log, cursor):
    """All messages up to the end of the log, and the cursor there."""
    said = []
    while True:
        page = log.follow(cursor)
        said += messages(page)
        cursor = page.cursor
        if not page.more:
            return said, cursor


def caught_up(log):
    """The cursor of a client that has seen everything."""
    return drain(log, log.start(None)[0])[1]


# --- where a client begins -----------------------------------------------------------------------


def test_a_new_client_gets_a_snapshot(disk, log):
    cursor, resumed = log.start(None)
    assert (cursor, resumed) == (Snapshot("", disk.index.position()), False)


def test_a_known_position_is_resumed_after(disk, log):
    position = disk.directories("a").position
    disk.directories("b")
    cursor, resumed = log.start(position)
    assert (cursor, resumed) == (Live(position.seq, closed=False), True)
    assert paths(log.follow(cursor)) == ["b"]


@pytest.mark.parametrize("other", [{"epoch": b"e" * 16}, {"head": b"h" * 32}, {"seq": 77}])
def test_a_position_of_another_log_is_not_resumed(disk, log, other):
    position = replace(disk.directories("a").position, **other)
    assert log.start(position) == (Snapshot("", disk.index.position()), False)


def test_a_client_that_missed_nothing_is_told_so_once(disk, log):
    position = disk.directories("a").position
    page = log.follow(log.start(position)[0])
    assert messages(page) == [Announce((), position)]
    assert not page.more
    again = log.follow(page.cursor)
    assert (again.frames, again.cursor, again.more) == ((), page.cursor, False)


# --- snapshots -----------------------------------------------------------------------------------


def test_the_snapshot_of_an_empty_hub(disk, log):
    said, _ = drain(log, log.start(None)[0])
    assert said == [Announce((), disk.index.position(), snapshot=True)]


@pytest.mark.parametrize("count", [1, 4, 5, 8, 11])
def test_a_snapshot_goes_by_path_and_only_its_end_has_a_position(disk, log, small_pages, count):
    position = disk.directories(*reversed(names(count))).position
    said, cursor = drain(log, log.start(None)[0])
    assert [change.path for message in said for change in message.changes] == names(count)
    assert all(message.snapshot for message in said)
    assert [message.position for message in said] == [None] * (len(said) - 1) + [position]
    assert cursor == Live(position.seq, closed=True)


def test_deleted_paths_are_not_in_a_snapshot(disk, log):
    disk.directories("a", "b")
    disk.delete("a")
    assert paths(log.follow(log.start(None)[0])) == ["b"]


def test_what_changes_during_a_snapshot_is_announced_after_it(disk, log, small_pages):
    began = disk.directories(*names(6)).position
    first = log.follow(log.start(None)[0])
    disk.delete("f0000")
    position = disk.directories("a", "z").position
    last = log.follow(first.cursor)
    assert (paths(first), paths(last)) == (names(4), ["f0004", "f0005", "z"])
    assert messages(last)[-1].position == began
    assert last.more
    after = log.follow(last.cursor)
    assert sorted(paths(after)) == ["a", "f0000", "z"]
    assert messages(after)[-1].position == position
    assert not after.more


# --- live pages ----------------------------------------------------------------------------------


def test_a_change_closes_with_the_position(disk, log):
    cursor = caught_up(log)
    batch = disk.directories("b", "a")
    page = log.follow(cursor)
    assert messages(page) == [Announce(batch.changes, batch.position)]
    assert (page.cursor, page.more) == (Live(batch.position.seq, closed=True), False)


def test_of_several_changes_of_a_path_only_the_latest_is_told(disk, log):
    cursor = caught_up(log)
    disk.publish("a", b"one")
    disk.publish("b", b"two")
    tree = disk.publish("a", b"three")
    (*_, announce) = messages(log.follow(cursor))
    assert [change.path for change in announce.changes] == ["b", "a"]
    assert announce.changes[1].version == tree.version


def test_a_page_that_is_cut_has_no_position(disk, log, small_pages):
    cursor = caught_up(log)
    position = disk.directories(*names(7)).position
    first = log.follow(cursor)
    assert (paths(first), first.more) == (names(4), True)
    assert first.cursor == Live(position.seq - 3, closed=False)
    second = log.follow(first.cursor)
    assert (paths(second), second.more) == (names(7)[4:], False)
    positions = [message.position for page in (first, second) for message in messages(page)]
    assert positions == [None, position]


def test_a_full_page_at_the_end_is_closed_by_the_next(disk, log, small_pages):
    cursor = caught_up(log)
    position = disk.directories(*names(4)).position
    first = log.follow(cursor)
    assert (paths(first), messages(first)[-1].position, first.more) == (names(4), None, True)
    assert messages(log.follow(first.cursor)) == [Announce((), position)]


def test_pages_are_bounded_in_bytes(disk, log, monkeypatch):
    monkeypatch.setattr(log_module, "PAGE_BYTES", 1000)
    cursor = caught_up(log)
    disk.directories(*(name + "x" * 200 for name in names(10)))
    sizes = []
    more = True
    while more:
        page = log.follow(cursor)
        cursor, more = page.cursor, page.more
        sizes.append(len(paths(page)))
    assert sizes == [2, 2, 2, 2, 2]


def test_a_change_larger_than_a_page_still_goes(disk, log, monkeypatch):
    monkeypatch.setattr(log_module, "PAGE_BYTES", 10)
    disk.directories("a", "b")
    said, _ = drain(log, log.start(None)[0])
    assert [change.path for message in said for change in message.changes] == ["a", "b"]


def test_what_is_committed_while_a_page_is_made_is_in_the_next(disk, log, monkeypatch):
    cursor = caught_up(log)
    position = disk.directories("a").position
    real = disk.index.since

    def since(seq, limit):
        monkeypatch.undo()
        disk.directories("b")
        return real(seq, limit)

    monkeypatch.setattr(disk.index, "since", since)
    page = log.follow(cursor)
    assert (paths(page), messages(page)[-1].position) == (["a"], position)
    assert paths(log.follow(page.cursor)) == ["b"]


def test_a_client_behind_forgotten_deletions_has_to_start_anew(tmp_path, disk):
    index = HubIndex(tmp_path / "few.db", tombstones=8)
    log = AnnounceLog(index, disk.store)
    cursor = caught_up(log)
    position = index.position()
    for kind in (Kind.DIRECTORY, Kind.ABSENT):
        for name in names(40):
            index.commit([Record(Change(0, name, kind))])
    with pytest.raises(ProtocolError) as caught:
        log.follow(cursor)
    assert caught.value.code is Code.SLOW_CLIENT
    assert caught.value.retry
    assert log.start(position) == (Snapshot("", index.position()), False)
    index.close()


# --- pushes --------------------------------------------------------------------------------------


def test_what_is_pushed_goes_before_the_announcement(disk, log):
    """A client that prepares the change has it then, and does not ask."""
    disk.publish("a", bytes(range(256)) * 40)
    cursor = caught_up(log)
    disk.publish("a", bytes(range(256)) * 40 + b"more")
    hashlist, announce = messages(log.follow(cursor))
    assert (type(hashlist), type(announce)) == (Hashlist, Announce)
    source = source_of(disk)
    with_deltas = AnnounceLog(disk.index, disk.store, source.deltas)
    first, delta, last = messages(with_deltas.follow(cursor))
    assert (first, last) == (hashlist, announce)
    assert isinstance(delta, Delta)


def test_snapshots_that_began_at_different_times_share_all_pages_but_the_last(disk, monkeypatch):
    """While a herd arrives the log grows: its news would wait behind a page for each of them."""
    monkeypatch.setattr(log_module, "PAGE_CHANGES", 2)
    log = AnnounceLog(disk.index, disk.store)
    cursors = []
    for path in "abcde":
        disk.publish(path, path.encode())
        cursors.append(log.start(None)[0])
    firsts = [log.follow(cursor) for cursor in cursors]
    assert log.made == 1
    assert [page.cursor for page in firsts] == [Snapshot("b", each.began) for each in cursors]
    assert all(page.frames is firsts[0].frames and page.more for page in firsts)
    disk.publish("a", b"A")
    for cursor in cursors:
        said, place, more = [], cursor, True
        while more:
            page = log.follow(place)
            said += [each for each in messages(page) if isinstance(each, Announce)]
            place, more = page.cursor, page.more
        positions = [each.position for each in said if each.position is not None]
        assert positions == [cursor.began, disk.index.position()]
        told = {change.path: change.version for each in said for change in each.changes}
        assert told == {each: disk.index.get(each).change.version for each in "abcde"}


def test_what_one_client_had_made_the_page_learns_for_the_next(disk):
    """Clients three versions behind: the first asks, the others find it pushed."""
    source = source_of(disk)
    log = AnnounceLog(disk.index, disk.store, source.deltas)
    held = disk.publish("a", bytes(range(256)) * 400)
    cursor = caught_up(log)
    for number in range(3):
        tree = disk.publish("a", bytes(range(256)) * 400 + bytes([number]))
    first = log.follow(cursor)
    query = DeltaQuery(held.version, tree.version)
    assert [type(each) for each in messages(first)] == [Hashlist, Announce]
    assert first.lacking == (query,)
    assert source.answer(query).lasting
    second = log.follow(cursor)
    delta, *rest = messages(second)
    assert (delta.query, rest) == (query, messages(first))
    assert second.lacking == ()
    assert log.follow(cursor) is second
    assert (log.made, source.deltas.searched.count) == (2, 1)  # the first page is the snapshot


def test_what_a_page_learns_is_bounded_however_often_it_is_asked_for(disk):
    source = source_of(disk)
    log = AnnounceLog(disk.index, disk.store, source.deltas)
    old = {path: disk.publish(path, path.encode() * 4000).version for path in "abc"}
    cursor = caught_up(log)
    queries = []
    for seed, path in enumerate(old):
        disk.publish(path, b"a version that was missed")
        fresh = random.Random(seed).randbytes(LEARNED_BYTES // 3)
        tree = disk.publish(path, path.encode() * 4000 + fresh)
        queries.append(DeltaQuery(old[path], tree.version))
    first = log.follow(cursor)
    assert first.lacking == tuple(queries)
    for query in queries:
        assert source.answer(query).lasting
        page = log.follow(cursor)
    assert page.lacking == (queries[2],)
    assert sum(map(len, page.frames)) <= LEARNED_BYTES + sum(map(len, first.frames))


def test_the_version_that_a_replica_holds_follows_from_its_place(disk):
    log = AnnounceLog(disk.index, disk.store, source_of(disk).deltas)
    trees, cursors = [], []
    for number in range(5):
        trees.append(disk.publish("a", bytes(range(256)) * 400 + bytes([number])))
        cursors.append(caught_up(log))
    disk.publish("other", b"new")
    lacking = [log.follow(cursor).lacking for cursor in cursors]
    new = trees[-1].version
    assert lacking[:3] == [(DeltaQuery(tree.version, new),) for tree in trees[:3]]
    assert lacking[3:] == [(), ()]  # a step behind: it is pushed; and level


def test_of_a_file_that_was_deleted_in_between_the_old_version_is_held(disk):
    log = AnnounceLog(disk.index, disk.store, source_of(disk).deltas)
    held = disk.publish("a", bytes(range(256)) * 400)
    cursor = caught_up(log)
    disk.delete("a")
    new = disk.publish("a", bytes(range(256)) * 400 + b"!")
    assert log.follow(cursor).lacking == (DeltaQuery(held.version, new.version),)


@pytest.mark.parametrize(
    ("count", "expected"), [(PUSH_CHANGES, PUSH_CHANGES), (PUSH_CHANGES + 1, 0)]
)
def test_a_bulk_change_pushes_nothing(disk, log, count, expected):
    for name in names(count):
        disk.publish(name, b"old" + name.encode())
    cursor = caught_up(log)
    for name in names(count):
        disk.publish(name, b"new" + name.encode())
    pushed = [each for each in messages(log.follow(cursor)) if isinstance(each, Hashlist)]
    assert len(pushed) == expected


def test_a_bare_page_has_no_pushes(disk):
    log = AnnounceLog(disk.index, disk.store, source_of(disk).deltas)
    disk.publish("a", bytes(range(256)) * 40)
    cursor = caught_up(log)
    disk.publish("a", bytes(range(256)) * 40 + b"more")
    bare = log.page(log.place(cursor, bare=True))
    (announce,) = messages(bare)
    assert announce == messages(log.follow(cursor))[-1]
    assert (bare.cursor, bare.lacking) == (log.follow(cursor).cursor, ())


def test_snapshots_push_nothing(disk, log):
    disk.publish("a", b"old")
    disk.publish("a", b"new")
    assert all(isinstance(each, Announce) for each in messages(log.follow(log.start(None)[0])))


# --- shared pages --------------------------------------------------------------------------------


def test_a_thousand_clients_at_one_place_share_one_page(disk, log, monkeypatch):
    cursor = caught_up(log)
    disk.publish("a", b"old")
    disk.publish("a", b"new")
    made = []
    real = log_module.announce_frames
    monkeypatch.setattr(
        log_module, "announce_frames", lambda *args, **kw: made.append(args) or real(*args, **kw)
    )
    with ThreadPoolExecutor(8) as executor:
        pages = list(executor.map(log.follow, [cursor] * 1000))
    assert len(made) == 1
    assert all(page is pages[0] for page in pages)


def test_clients_that_cut_and_that_resume_share_the_rest(disk, log, small_pages):
    cursor = caught_up(log)
    disk.directories(*names(4))
    cut = log.follow(cursor).cursor
    disk.directories(*names(8)[4:6])
    later, _ = log.start(Position(disk.index.position().epoch, cut.seq, _head(disk, cut.seq)))
    assert later == cut
    assert log.follow(later) is log.follow(cut)


def _head(disk, seq):
    return disk.index.select("SELECT head FROM heads WHERE seq = ?", (seq,))[0][0]


def test_kept_pages_are_bounded(disk, monkeypatch):
    log = AnnounceLog(disk.index, disk.store, cache_bytes=2000)
    cursor = caught_up(log)
    cursors = []
    for name in names(20):
        disk.directories(name)
        cursors.append(cursor)
        cursor = log.follow(cursor).cursor
    first = log.follow(cursors[0])
    assert log.follow(cursors[0]) is first
    for other in cursors[1:]:
        log.follow(other)
    assert log.follow(cursors[0]) is not first
    assert log.follow(cursors[0]) == log.follow(cursors[0])


# --- the whole -----------------------------------------------------------------------------------


class Replica:
    """A client reduced to what the log promises it: after the last page, the hub's entries."""

    def __init__(self):
        self.entries = {}
        self.named = set()
        self.position = None

    def apply(self, page):
        for message in messages(page):
            for change in message.changes:
                self.named.add(change.path)
                if change.kind is Kind.ABSENT:
                    self.entries.pop(change.path, None)
                else:
                    self.entries[change.path] = change
            if message.position is not None:
                if message.snapshot:
                    self.entries = {p: c for p, c in self.entries.items() if p in self.named}
                self.named = set()
                self.position = message.position


COMMIT = st.lists(
    st.tuples(
        st.sampled_from("abcdefgh"), st.sampled_from([Kind.DIRECTORY, Kind.ABSENT]), st.booleans()
    ),
    min_size=1,
    max_size=6,
)


@given(st.lists(st.one_of(COMMIT, st.sampled_from(["page", "page", "reconnect"])), max_size=25))
def test_whoever_follows_ends_with_the_hub_s_entries(steps):
    with tempfile.TemporaryDirectory() as directory, pytest.MonkeyPatch.context() as patch:
        patch.setattr(log_module, "PAGE_CHANGES", 2)
        index = HubIndex(Path(directory) / "index.db")
        log = AnnounceLog(index, TreeStore(Path(directory) / "trees"))
        replica = Replica()
        cursor, _ = log.start(None)
        for step in [*steps, "reconnect"]:
            if step == "page":
                page = log.follow(cursor)
                replica.apply(page)
                cursor = page.cursor
            elif step == "reconnect":
                replica.named = set()
                cursor, _ = log.start(replica.position)
            else:
                index.commit(
                    Record(Change(0, path, kind, mode=0o755 if wide and kind else 0))
                    for path, kind, wide in step
                )
        more = True
        while more:
            page = log.follow(cursor)
            replica.apply(page)
            cursor, more = page.cursor, page.more
        assert replica.entries == {record.change.path: record.change for record in index.entries()}
        assert replica.position == index.position()
        index.close()
