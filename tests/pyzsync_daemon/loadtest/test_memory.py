"""A replica in memory obeys the same effects as one on disk."""

import random
from dataclasses import replace

import pytest

from protocol.messages import Change, DeltaQuery, Kind
from pyzsync_daemon.client.effects import (
    Abandon,
    Apply,
    Audit,
    Audited,
    Commit,
    Finish,
    Plan,
    Planned,
    Prepare,
    Prune,
    Put,
    Save,
    Saved,
    State,
)
from pyzsync_daemon.hub.deltas import ASKED, make_delta
from pyzsync_daemon.hub.source import make_blocks
from pyzsync_daemon.loadtest.changes import tree_of
from pyzsync_daemon.loadtest.memory import MemoryBench, holding
from pyzsync_daemon.loadtest.segments import Segments
from pyzsync_daemon.loadtest.shared import Shared
from tests.pyzsync_daemon.client.values import HUB, absent, directory, position

OLD = random.Random(1).randbytes(400_000)
NEW = OLD[:100_000] + random.Random(2).randbytes(90_000) + OLD[150_000:]


@pytest.fixture
def shared():
    return Shared()


def bench_of(shared, **files):
    trees = {path: tree_of(data) for path, data in files.items()}
    base = {
        path: shared.keep(trees[path].version, Segments.of(data), trees[path])
        for path, data in files.items()
    }
    return MemoryBench(shared, holding(base))


def change_to(path, data, follows=b"", seq=1):
    version = tree_of(data).version
    return Change(seq, path, Kind.FILE, 0o644, 1, len(data), version, follows=follows)


def outcome(bench, change):
    return bench.run(Prepare((change,))).outcomes[0]


def delta(old, new):
    trees = tree_of(old), tree_of(new)

    def read(window, leaves):
        assert window == 0
        return b"".join(new[start * 512 : stop * 512] for start, stop in leaves)

    return make_delta(DeltaQuery(trees[0].version, trees[1].version), *trees, read, ASKED)


def contents(bench):
    return {path: each.read(0, each.length) for path, each in bench.files.items()}


def pull_by_delta(bench, parts):
    change = change_to("f", NEW, tree_of(OLD).version)
    found = outcome(bench, change)
    assert (found.state, found.plan.delta) == (State.PULL, parts[0].query)
    for part in parts:
        assert bench.run(Apply(change, (part,))) == Planned(change)
    assert bench.run(Finish(change)) == Planned(change, whole=True)
    return bench.run(Commit((change,)))


def test_a_delta_makes_the_new_file(shared):
    bench = bench_of(shared, f=OLD)
    done = pull_by_delta(bench, delta(OLD, NEW))
    assert contents(bench) == {"f": NEW}
    [applied] = done.applied
    assert applied.fetched + applied.reused == len(NEW)
    assert 90_000 <= applied.fetched < 92_000


def test_an_equal_delta_is_worked_out_once_and_another_again(shared):
    first, second, third = (bench_of(shared, f=OLD) for _ in range(3))
    parts = delta(OLD, NEW)
    assert len(parts) > 1
    pull_by_delta(first, parts)
    pull_by_delta(second, [replace(part, data=bytes(bytearray(part.data))) for part in parts])
    assert shared.deltas == 1
    assert contents(second) == {"f": NEW}
    change = change_to("f", NEW, tree_of(OLD).version)
    outcome(third, change)
    spoilt = parts[-1].data[:-9] + bytes([parts[-1].data[-9] ^ 1]) + parts[-1].data[-8:]
    *before, last = [*parts[:-1], replace(parts[-1], data=spoilt)]
    for part in before:
        third.run(Apply(change, (part,)))
    assert third.run(Apply(change, (last,))).plan != Plan()  # of no use: it goes on without it
    assert contents(third) == {"f": OLD}


def test_blocks_make_a_file_that_was_not_there(shared):
    bench = bench_of(shared)
    change = change_to("f", OLD)
    found = outcome(bench, change)
    assert found.state is State.PULL
    for query in found.plan.blocks:
        parts = make_blocks(query, OLD)
        put = Put(change, query, parts[0].coding, len(OLD), b"", tuple(part.data for part in parts))
        assert bench.run(put) == Planned(change, whole=True)
    bench.run(Commit((change,)))
    assert contents(bench) == {"f": OLD}


def test_a_block_set_that_does_not_decode_is_asked_for_again(shared):
    bench = bench_of(shared)
    change = change_to("f", OLD)
    [query] = outcome(bench, change).plan.blocks
    put = Put(change, query, make_blocks(query, OLD)[0].coding, len(OLD), b"", (b"nonsense",))
    assert bench.run(put) == Planned(change, Plan(blocks=(query,)))


def test_what_is_right_is_satisfied_and_what_is_elsewhere_is_copied(shared):
    bench = bench_of(shared, f=OLD)
    assert outcome(bench, change_to("f", OLD)).state is State.SATISFIED
    moved = change_to("g", OLD)
    assert outcome(bench, moved).state is State.READY
    assert outcome(bench, absent("f", 2)).state is State.READY
    bench.run(Commit((moved, absent("f", 2))))
    assert contents(bench) == {"g": OLD}
    assert outcome(bench, absent("f", 3)).state is State.SATISFIED
    again = change_to("h", OLD)  # the version is still here, under the other name
    assert outcome(bench, again).state is State.READY


def test_an_empty_file_and_a_directory_need_no_bytes(shared):
    bench = bench_of(shared)
    changes = (change_to("e", b""), directory("d"))
    assert [each.state for each in bench.run(Prepare(changes)).outcomes] == [State.READY] * 2
    bench.run(Commit(changes))
    assert contents(bench) == {"e": b""}


def test_a_transfer_that_was_abandoned_is_not_committed(shared):
    bench = bench_of(shared)
    change = change_to("f", OLD)
    outcome(bench, change)
    bench.run(Abandon(change))
    assert bench.run(Finish(change)).error == "f: no transfer of this version is open"
    assert bench.run(Apply(change, tuple(delta(OLD, NEW)[:1]))).error
    assert bench.run(Commit((change,))).again == (change,)


def test_the_position_is_kept_and_what_a_snapshot_leaves_out_goes(shared):
    bench = bench_of(shared, f=OLD, g=NEW)
    assert bench.run(Save(HUB, position(3))) == Saved(position(3))
    assert (bench.hub, bench.position) == (HUB, position(3))
    [gone] = bench.run(Prune(frozenset({"f"}))).changes
    assert (gone.path, gone.kind) == ("g", Kind.ABSENT)
    assert bench.run(Audit()) == Audited(())
