"""The effects one after the other, on a real disk."""

import os
import random
import stat
from dataclasses import replace

import pytest

from protocol import runs
from protocol.messages import Coding, Delta, DeltaQuery, Flag, Position
from pyzsync_daemon.client.effects import (
    Abandon,
    Applied,
    Apply,
    Audit,
    Commit,
    Finish,
    Match,
    Plan,
    Planned,
    Prepare,
    Prune,
    Reuse,
    Save,
    Saved,
    State,
)
from tests.pyzsync_daemon.client.values import new_file

DATA = random.Random(1).randbytes(3 * 2**20 + 777)
TIME = 1_600_000_000_123_456_789


def test_a_new_tree_is_made(client, hub):
    client.apply(
        hub.directory("a"),
        hub.file("a/f", b"bytes", mode=0o640),
        hub.file("empty", b""),
        hub.symlink("a/link", "../elsewhere"),
        hub.directory("void", mode=0o700),
        hub.file("big", DATA),
    )
    assert client.tree() == {
        "a": None,
        "a/f": b"bytes",
        "empty": b"",
        "a/link": b"../elsewhere",
        "void": None,
        "big": DATA,
    }
    assert stat.S_IMODE(os.lstat(client.root / "a/f").st_mode) == 0o640
    for name in ("a", "a/f", "a/link", "void"):
        assert os.lstat(client.root / name).st_mtime_ns == TIME
    assert client.private("staging") == {}


def test_what_is_in_place_needs_nothing(client, hub):
    changes = (hub.directory("a"), hub.file("a/f", b"bytes"), hub.symlink("l", "t"))
    client.apply(*changes)
    assert {o.state for o in client.prepare(*changes).values()} == {State.SATISFIED}


def test_one_changed_byte_costs_one_leaf(client, hub):
    client.apply(hub.file("big", DATA))
    hub.leaves_sent = 0
    changed = bytearray(DATA)
    changed[2_500_000] ^= 1
    applied = client.apply(hub.file("big", changed))["big"]
    assert client.tree() == {"big": bytes(changed)}
    assert hub.leaves_sent == 1
    assert (applied.fetched, applied.reused) == (512, len(DATA) - 512)
    assert client.conflicts() == []


def test_an_insertion_costs_little(client, hub):
    client.apply(hub.file("big", DATA))
    hub.leaves_sent = 0
    client.apply(hub.file("big", DATA[:1_000_000] + b"inserted" + DATA[1_000_000:]))
    assert client.tree()["big"] == DATA[:1_000_000] + b"inserted" + DATA[1_000_000:]
    assert hub.leaves_sent <= 3


def test_a_rename_is_a_local_copy(client, hub):
    client.apply(hub.file("old", DATA))
    hub.leaves_sent = 0
    applied = client.apply(hub.file("new", DATA), hub.absent("old"))
    assert client.tree() == {"new": DATA}
    assert applied["new"] == Applied(applied["new"].change, 0, len(DATA))
    assert hub.leaves_sent == 0


def test_a_rename_split_over_two_batches_in_the_wrong_order_is_a_local_copy(client, hub):
    client.apply(hub.file("keep", b""), hub.file("old", DATA))
    client.apply(hub.absent("old"))
    hub.leaves_sent = 0
    client.apply(hub.file("new", DATA))
    assert client.tree() == {"keep": b"", "new": DATA}
    assert hub.leaves_sent == 0


def test_modes_are_masked_and_metadata_needs_no_bytes(client, hub):
    client.apply(hub.file("f", b"bytes"))
    inode = os.lstat(client.root / "f").st_ino
    applied = client.apply(hub.file("f", b"bytes", mode=0o4755, mtime_ns=TIME + 5))
    status = os.lstat(client.root / "f")
    assert (stat.S_IMODE(status.st_mode), status.st_mtime_ns) == (0o755, TIME + 5)
    assert status.st_ino == inode
    assert applied["f"].fetched == 0


def test_holes_stay_holes(client, hub):
    data = bytes(2**20) + b"x" * 4096 + bytes(2**20)
    client.apply(hub.file("sparse", data, flags=Flag.SPARSE))
    assert client.tree() == {"sparse": data}
    assert os.lstat(client.root / "sparse").st_blocks * 512 < 2**17


def test_a_block_set_that_lies_is_asked_for_again(client, hub):
    client.apply(hub.file("big", DATA))
    changed = bytearray(DATA)
    changed[5000] ^= 1
    change = hub.file("big", changed)
    hub.corrupt = {(0, 5000 // 512)}
    hub.leaves_sent = 0
    client.apply(change)
    assert client.tree() == {"big": bytes(changed)}
    assert hub.leaves_sent == 2


def test_without_hashes_a_lie_is_found_at_the_end_and_costs_its_leaf(client, hub):
    change = hub.file("big", DATA)
    hub.corrupt = {(1, 7)}
    client.apply(change)
    assert client.tree() == {"big": DATA}
    assert hub.leaves_sent == -(-len(DATA) // 512) + 1


def test_a_version_that_no_bytes_have_ends_in_an_error(client, hub):
    change = hub.file("f", b"x" * 2000)
    lie = replace(change, version=b"\1" * 32)
    hub.bytes[lie.version], hub.trees[lie.version] = b"x" * 2000, hub.trees[change.version]
    outcome = client.prepare(lie)["f"]
    assert "not 0101010101010101" in client.fetch(lie, outcome.plan)
    assert client.tree() == {}


def test_an_empty_file_of_another_version_is_not_believed(client, hub):
    lie = replace(hub.file("f", b""), version=b"\1" * 32)
    outcome = client.prepare(lie)["f"]
    assert outcome.state is State.FAILED
    assert outcome.error == "f: announced as empty, with the version of other bytes"


def test_leaves_that_are_gone_stay_wanted(client, hub):
    change = hub.file("big", DATA)
    plan = client.prepare(change)["big"].plan
    first = client.bench.put(hub.put(change, plan.blocks[0], gone=runs.encode([(3, 5)])))
    assert [runs.decode(query.leaves) for query in first.plan.blocks] == [[(3, 5)]]
    assert "windows have not been checked" in client.bench.finish(Finish(change)).error


def test_data_that_does_not_decode_is_asked_for_again(client, hub):
    change = hub.file("f", b"x" * 2000)
    (query,) = client.prepare(change)["f"].plan.blocks
    put = replace(hub.put(change, query), coding=Coding.ZSTD)
    assert client.bench.put(put) == Planned(change, Plan(blocks=(query,)))


def test_hashes_that_do_not_fit_end_the_transfer(client, hub):
    client.apply(hub.file("f", b"x" * 5000))
    change = hub.file("f", b"y" * 5000)
    (query,) = client.prepare(change)["f"].plan.hashes
    short = replace(hub.hashlist(query), weak=b"", strong=b"")
    assert "does not fit" in client.bench.match(Match(change, (short,))).error


def test_what_was_not_prepared_cannot_be_carried_on(client, hub):
    change = hub.file("f", b"bytes")
    assert "no transfer" in client.bench.finish(Finish(change)).error
    assert "no transfer" in client.bench.match(Match(change, ())).error
    assert "no transfer" in client.bench.reuse(Reuse(change)).error
    assert client.bench.commit(Commit((change,))).again == (change,)


def test_an_abandoned_transfer_leaves_old_bytes_for_the_next(client, hub):
    change = hub.file("big", DATA)
    plan = client.prepare(change)["big"].plan
    client.bench.put(hub.put(change, plan.blocks[0]))
    assert client.bench.abandon(Abandon(change)) == Planned(change)
    hub.leaves_sent = 0
    newer = hub.file("big", DATA + b"more")
    client.apply(newer)
    assert client.tree() == {"big": DATA + b"more"}
    assert hub.leaves_sent <= len(DATA) // 512 - 4096 + 2
    assert client.private("staging") == {}


def test_verified_bytes_are_not_fetched_again_after_a_kill(client, hub):
    change = hub.file("big", DATA)
    plan = client.prepare(change)["big"].plan
    client.bench.put(hub.put(change, plan.blocks[0]))
    client.reopen()
    hub.leaves_sent = 0
    client.apply(change)
    assert client.tree() == {"big": DATA}
    assert hub.leaves_sent == -(-len(DATA) // 512) - 4096
    assert client.private("staging") == {}


def test_a_newer_change_of_the_same_version_is_what_is_committed(client, hub):
    (ready,) = client.stage(hub.file("f", b"bytes"))
    newer = replace(ready, seq=99, mode=0o600)
    assert [each.change for each in client.commit(newer).applied] == [newer]
    assert stat.S_IMODE(os.lstat(client.root / "f").st_mode) == 0o600


def test_what_is_staged_is_used_again_when_the_path_was_overtaken(client, hub):
    (ready,) = client.stage(hub.file("f", b"hub's"))
    (client.root / "f").write_bytes(b"local")
    assert client.commit(ready).again == (ready,)
    outcome = client.prepare(ready)["f"]
    assert outcome.state is State.READY
    assert outcome.local
    client.commit(ready)
    assert client.tree() == {"f": b"hub's"}
    assert client.conflicts() == [b"local"]


def test_the_position_survives(client):
    position = Position(b"e" * 16, 7, b"h" * 32)
    assert (client.bench.hub, client.bench.position) == (b"", None)
    assert client.bench.run(Save(b"hub", position)) == Saved(position)
    client.reopen()
    assert (client.bench.hub, client.bench.position) == (b"hub", position)


def test_a_snapshot_prunes_what_it_does_not_name(client, hub):
    client.apply(*(hub.file(name, name.encode()) for name in "abc"))
    (client.root / "mine").write_bytes(b"mine")
    pruned = client.bench.run(Prune(frozenset("ab")))
    assert [(change.path, change.seq) for change in pruned.changes] == [("c", 0)]
    client.apply(*pruned.changes)
    assert client.tree() == {"a": b"a", "b": b"b", "mine": b"mine"}


def test_a_snapshot_ends_what_was_left_of_paths_that_it_does_not_name(client, hub):
    """Nobody would ever come for it: a file of the hub's that vanished while a client was away."""
    for name in ("gone", "here"):
        change = hub.file(name, name.encode() * 1000)
        new_file(client.bench._replica.staging, name, change.version, change.size)
    client.reopen()
    assert len(os.listdir(client.root / ".pyzsync/staging")) == 2
    client.bench.run(Prune(frozenset({"here"})))
    assert len(os.listdir(client.root / ".pyzsync/staging")) == 1
    client.apply(hub.file("here", b"here" * 1000))
    assert os.listdir(client.root / ".pyzsync/staging") == []


def test_an_emptied_hub_does_not_empty_the_replica(client, hub):
    client.apply(*(hub.file(name, name.encode()) for name in "abc"))
    pruned = client.bench.run(Prune(frozenset()))
    assert (pruned.changes, pruned.halted) == ((), "all 3 entries are gone")
    outcomes = client.prepare(*(hub.absent(name) for name in "abc"))
    assert {outcome.state for outcome in outcomes.values()} == {State.REFUSED}
    assert outcomes["a"].error == "a: all 3 entries are gone"
    client.reopen(allow_mass_delete=True)
    assert len(client.bench.run(Prune(frozenset())).changes) == 3
    client.apply(*(hub.absent(name) for name in "abc"))
    assert client.tree() == {}


def test_a_moved_directory_is_not_a_mass_deletion(client, hub):
    names = [f"d/{n}" for n in range(40)]
    client.apply(hub.directory("d"), *(hub.file(name, name.encode()) for name in names))
    moved = [hub.file("e" + name, name.encode()) for name in names]
    client.apply(*moved, *(hub.absent(name) for name in names), hub.absent("d"))
    assert set(client.tree()) == {"ed"} | {"e" + name for name in names}


@pytest.mark.parametrize("edit", ["write", "unlink", "chmod", "replace"])
def test_an_audit_names_what_the_disk_has_lost(client, hub, edit):
    client.apply(hub.directory("d"), hub.file("d/f", b"hub's"), hub.symlink("l", "t"))
    assert client.bench.run(Audit()).changes == ()
    path = client.root / "d/f"
    if edit == "write":
        path.write_bytes(b"local")
    elif edit == "unlink":
        path.unlink()
    elif edit == "chmod":
        path.chmod(0o600)
    else:
        path.unlink()
        path.mkdir()
    changes = client.bench.run(Audit()).changes
    assert [change.path for change in changes] == ["d/f"]
    client.apply(*changes)
    assert client.tree() == {"d": None, "d/f": b"hub's", "l": b"t"}
    assert client.conflicts() == ([b"local"] if edit == "write" else [])
    assert client.bench.run(Audit()).changes == ()


def test_every_effect_has_its_method(client, hub):
    change = hub.file("f", b"bytes")
    outcome = client.bench.run(Prepare((change,))).outcomes[0]
    put = hub.put(change, outcome.plan.blocks[0])
    assert client.bench.run(put) == Planned(change, whole=True)
    assert "no transfer" in client.bench.run(Finish(change)).error
    assert client.bench.run(Commit((change,))).applied == (Applied(change, 5, 0),)
    assert client.bench.run(Abandon(change)) == Planned(change)
    assert "no transfer" in client.bench.run(Match(change, ())).error
    part = Delta(DeltaQuery(bytes(32), change.version), 0, 1, Coding.RAW, 1, b"x")
    assert "no transfer" in client.bench.run(Apply(change, (part,))).error
