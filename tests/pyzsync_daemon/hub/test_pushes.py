import random

import pytest

from protocol import runs
from protocol.codec import decode_frame
from protocol.messages import Change, Delta, DeltaQuery, Hashlist, HashQuery, Kind
from pyzsync.grid import LEAF, PUSH_BUDGET, node_count, push_level
from pyzsync_daemon.hub.frames import keep_answers
from pyzsync_daemon.hub.pushes import LEARNED_BYTES, PUSH_BYTES, QUICK, Pushes
from pyzsync_daemon.hub.source import BlockSource


@pytest.fixture
def source(disk):
    return BlockSource(disk.root, disk.index, disk.store, keep_answers(1 << 24), lambda path: None)


@pytest.fixture
def pushes(disk, source):
    return Pushes(disk.store, source.deltas)


def noise(size, seed=0):
    return random.Random(seed).randbytes(size)


def edited(disk, *paths):
    return [disk.index.get(path).change for path in paths]


def before(changes):
    """What a client one step behind holds."""
    return {change.path: change.follows for change in changes if change.follows}


def pushed(pushes, changes, kind=Hashlist):
    frames, _ = pushes.of(changes, before(changes))
    said = [message for each in frames for message in decode_frame(each)]
    return [message for message in said if isinstance(message, kind)]


def test_the_nodes_that_differ_are_pushed_as_the_answer_to_a_query(disk, source, pushes):
    data = noise(21 * LEAF)
    before = disk.publish("a", data)
    tree = disk.publish("a", data[:-1] + b"!")
    (hashlist,) = pushed(pushes, edited(disk, "a"))
    assert hashlist.query == HashQuery(tree.version, 0, 0, runs.encode([(20, 21)]), before.version)
    asked = HashQuery(tree.version, 0, 0, runs.whole(21), before.version)
    assert decode_frame(source.answer(asked).frames[0]) == (hashlist,)


def test_a_version_before_that_was_too_short_is_not_compared_with(disk, pushes):
    disk.publish("a", b"old")
    disk.store.drop(disk.index.get("a").change.version)
    tree = disk.publish("a", noise(5 * LEAF))
    (hashlist,) = pushed(pushes, edited(disk, "a"))
    assert hashlist.query == HashQuery(tree.version, 0, 0, runs.whole(5))


def test_the_finest_level_within_the_budget_is_pushed(disk, pushes):
    size = 5_000_000  # its leaves would need about 90 KiB
    disk.store.drop(disk.publish("a", noise(size)).version)
    disk.publish("a", noise(size, 1))
    (hashlist,) = pushed(pushes, edited(disk, "a"))
    level = push_level(size)
    assert level == 1
    assert hashlist.query.level == level
    assert hashlist.query.nodes == runs.whole(node_count(size, level))
    assert len(hashlist.weak) + len(hashlist.strong) <= PUSH_BUDGET


def test_a_tree_that_keeps_only_coarser_levels_is_pushed_at_its_finest(disk, pushes):
    disk.publish("a", bytes(100 * LEAF), base=2)
    disk.publish("a", b"x" + bytes(100 * LEAF), base=2)
    (hashlist,) = pushed(pushes, edited(disk, "a"))
    assert hashlist.query.level == 2


def test_only_edited_files_are_pushed(disk, pushes):
    disk.publish("emptied", b"old")
    disk.publish("deleted", b"old")
    disk.publish("new", b"new")
    disk.directories("d")
    disk.publish("emptied", b"")
    disk.delete("deleted")
    changes = edited(disk, "emptied", "deleted", "new", "d")
    assert pushed(pushes, changes) == []


def test_a_version_without_a_tree_is_not_pushed(disk, pushes):
    disk.publish("a", b"old")
    disk.store.drop(disk.publish("a", b"new").version)
    assert pushed(pushes, edited(disk, "a")) == []


def test_paths_that_changed_alike_share_a_push(disk, pushes):
    for data in (noise(9000), noise(9000) + b"x"):
        disk.publish("a", data)
        disk.publish("b", data)
    assert len(pushed(pushes, edited(disk, "a", "b"))) == 1
    assert len(pushed(pushes, edited(disk, "a", "b"), Delta)) == 1


# --- deltas --------------------------------------------------------------------------------------


def test_a_small_delta_is_pushed_as_the_answer_to_a_query(disk, source, pushes):
    old = disk.publish("a", noise(300_000))
    new = disk.publish("a", noise(300_000)[:150_000] + noise(900, 1) + noise(300_000)[150_000:])
    (delta,) = pushed(pushes, edited(disk, "a"), Delta)
    assert delta.query == DeltaQuery(old.version, new.version)
    assert len(delta.data) < 900 + 3 * LEAF
    assert decode_frame(source.answer(delta.query).frames[0]) == (delta,)
    assert pushed(Pushes(disk.store, None), edited(disk, "a"), Delta) == []


def test_a_delta_comes_in_parts_and_within_the_budget(disk, pushes):
    disk.publish("a", noise(3_000_000))
    disk.publish("a", noise(2_800_000) + noise(200_000, 1))
    parts = pushed(pushes, edited(disk, "a"), Delta)
    assert [(part.part, part.parts) for part in parts] == [(each, 4) for each in range(4)]
    disk.publish("a", noise(1_800_000) + noise(PUSH_BYTES, 2))
    assert pushed(pushes, edited(disk, "a"), Delta) == []
    assert pushed(pushes, edited(disk, "a"))  # its hashlist is


def test_a_long_search_is_left_to_who_asks(disk, source, pushes):
    disk.publish("a", noise(QUICK.searched + 100_000))
    disk.publish("a", b"!" + noise(QUICK.searched + 100_000))
    assert pushed(pushes, edited(disk, "a"), Delta) == []
    assert source.leaves.reads.count == 0


def test_a_file_that_has_moved_on_has_no_delta(disk, pushes):
    disk.publish("a", noise(9000))
    disk.publish("a", noise(8000) + b"gone")
    (disk.path / "a").write_bytes(b"newer")
    assert pushed(pushes, edited(disk, "a"), Delta) == []


def test_what_a_page_pushes_is_bounded_and_small_files_still_fit(disk, pushes):
    names = [f"big{i}" for i in range(4)]
    for seed, name in enumerate(names):
        disk.publish(name, noise(800_000, seed))
    disk.publish("small", b"old")
    for seed, name in enumerate(names):
        disk.publish(name, noise(400_000, seed) + noise(PUSH_BYTES // 3 + 1000, seed + 9))
    disk.publish("small", b"new")
    changes = edited(disk, *names, "small")
    assert len(pushed(pushes, changes)) == 5  # hashlists
    assert {part.query.new for part in pushed(pushes, changes, Delta)} == {
        change.version for change in changes[:2]
    }
    assert sum(map(len, pushes.of(changes, before(changes))[0])) <= PUSH_BYTES


def test_a_large_hashlist_does_not_go_with_a_delta(disk, pushes):
    """An odd shift: every node differs, and the delta says it all."""
    disk.publish("a", noise(200_000))
    disk.publish("a", b"!" + noise(200_000))
    assert pushed(pushes, edited(disk, "a")) == []
    assert len(pushed(pushes, edited(disk, "a"), Delta)) == 1
    assert len(pushed(Pushes(disk.store, None), edited(disk, "a"))) == 1


def test_a_new_mode_alone_pushes_nothing(disk, pushes):
    tree = disk.publish("a", b"same")
    change = Change(9, "a", Kind.FILE, 0o600, 1, 4, tree.version, follows=tree.version)
    assert pushes.of([change], {"a": tree.version}) == ([], ())


# --- learned -------------------------------------------------------------------------------------


def test_from_an_older_version_it_is_the_first_client_that_asks(disk, source, pushes):
    held = disk.publish("a", noise(300_000)).version
    disk.publish("a", noise(290_000))
    new = disk.publish("a", noise(280_000)).version
    changes, query = edited(disk, "a"), DeltaQuery(held, new)
    frames, lacking = pushes.of(changes, {"a": held})
    assert [type(message) for each in frames for message in decode_frame(each)] == [Hashlist]
    assert lacking == (query,)
    assert source.deltas.searched.count == 0
    assert pushes.learned(lacking) == {}
    made = source.answer(query).frames
    assert pushes.learned(lacking) == {query: made}
    frames, lacking = pushes.of(changes, {"a": held})
    assert tuple(frames[-len(made) :]) == made
    assert lacking == ()
    assert source.deltas.searched.count == 1


def test_a_hashlist_for_an_older_version_is_one_that_the_client_asks_for(disk, pushes):
    """It compares with the version that the change follows, or with none."""
    held = disk.publish("a", noise(9000)).version
    disk.publish("a", noise(8000))
    disk.publish("a", noise(7000))
    frames, _ = pushes.of(edited(disk, "a"), {"a": held})
    (hashlist,) = decode_frame(frames[0])
    assert hashlist.query.since == b""


def test_what_was_learned_is_pushed_within_its_bound(disk, source, pushes):
    queries = []
    for seed in range(3):
        old = disk.publish(f"f{seed}", noise(LEARNED_BYTES)).version
        size = LEARNED_BYTES * 2 // 5
        new = disk.publish(f"f{seed}", noise(LEARNED_BYTES)[size:] + noise(size, seed + 1)).version
        queries.append(DeltaQuery(old, new))
        source.answer(queries[-1])
    assert list(pushes.learned(queries)) == queries[:2]
    assert Pushes(disk.store, None).learned(queries) == {}
