"""What a transfer asks for, and what it costs."""

import os
import random
from dataclasses import replace

import pytest

from protocol import runs
from protocol.messages import DeltaQuery, Flag, Kind
from pyzsync.grid import LEAF, WINDOW, push_level
from pyzsync_daemon.client.effects import (
    Abandon,
    Apply,
    Finish,
    Match,
    Plan,
    Planned,
    Reuse,
    State,
)
from pyzsync_daemon.client.pull import AHEAD, WHOLE

DATA = random.Random(5).randbytes(2 * WINDOW + 333)


def ask(client, hub, new):
    """Follow the hashes of a transfer; the block queries that are left."""
    change = hub.file("f", new)
    plan = client.prepare(change)["f"].plan
    while plan.hashes:
        lists = tuple(hub.hashlist(query) for query in plan.hashes)
        plan = client.bench.match(Match(change, lists)).plan
    return plan.blocks


def test_without_old_bytes_everything_is_asked_for_at_once(client, hub):
    change = hub.file("f", DATA)
    assert change.kind is Kind.FILE
    plan = client.prepare(change)["f"].plan
    assert plan.hashes == ()
    assert [query.window for query in plan.blocks] == [0, 1, 2]


def test_the_first_hashlist_is_the_one_that_the_hub_pushes(client, hub):
    client.apply(hub.file("f", DATA))
    change = hub.file("f", DATA + b"x")
    (query,) = client.prepare(change)["f"].plan.hashes
    level = push_level(change.size)
    assert (query.level, query.window, query.since) == (level, 0, b"")
    assert level > 0
    assert runs.decode(query.nodes) == [(0, -(-change.size // (512 * 4**level)))]


def test_finer_hashes_are_asked_of_what_differs_only(client, hub):
    client.apply(hub.file("f", DATA))
    changed = bytearray(DATA)
    changed[WINDOW + 5] ^= 1
    hub.nodes_sent = 0
    blocks = ask(client, hub, bytes(changed))
    level = push_level(len(DATA))
    assert hub.nodes_sent <= -(-len(DATA) // (512 * 4**level)) + 4**level
    assert [(query.window, runs.decode(query.leaves)) for query in blocks] == [(1, [(0, 1)])]


@pytest.mark.parametrize("old", [DATA[700:], DATA[WINDOW:] + DATA[:WINDOW], b"x" + DATA])
def test_what_has_moved_is_found(client, hub, old):
    (client.root / "f").write_bytes(old)
    blocks = ask(client, hub, DATA)
    leaves = sum(runs.count(query.leaves) for query in blocks)
    assert leaves <= 3


def test_a_large_tree_is_built_out_of_memory(client, hub, monkeypatch):
    monkeypatch.setattr("pyzsync_daemon.files.trees.LARGE", 1)
    (client.root / "f").write_bytes(DATA[700:])
    change = hub.file("f", DATA)
    client.apply(change)
    assert (client.root / "f").read_bytes() == DATA
    assert client.bench._replica.trees.load(change.version).length == len(DATA)


def test_equal_content_needs_no_block(client, hub):
    client.apply(hub.file("f", DATA))
    assert ask(client, hub, DATA[: WINDOW + 100]) == ()
    assert Plan() == Plan((), ())


def test_windows_are_asked_for_as_others_are_done(client, hub, monkeypatch):
    """A file may have half a million of them."""
    monkeypatch.setattr("pyzsync_daemon.client.pull.AHEAD", 2)
    change = hub.file("f", DATA)
    plan = client.prepare(change)["f"].plan
    assert [query.window for query in plan.blocks] == [0, 1]
    followed = {}
    while plan.blocks:
        query, *others = plan.blocks
        planned = client.bench.put(hub.put(change, query))
        followed.setdefault(query.window, []).extend(q.window for q in planned.plan.blocks)
        plan = Plan(blocks=(*others, *planned.plan.blocks))
    assert followed == {0: [2], 1: [], 2: []}
    client.bench.finish(Finish(change))
    client.commit(change)
    assert client.tree() == {"f": DATA}


def test_a_huge_file_takes_no_list_of_its_windows(client, hub, monkeypatch):
    monkeypatch.setattr("pyzsync_daemon.client.prepare._SPARSE_FACTOR", 2**20)  # on any disk
    huge = replace(hub.file("f", b"x", flags=Flag.SPARSE), size=2**40)
    outcome = client.prepare(huge)["f"]
    assert outcome.state is State.PULL
    assert len(outcome.plan.blocks) == AHEAD


def test_a_small_file_that_comes_in_one_piece_is_verified_before_it_is_written(
    client, hub, monkeypatch
):
    def never(*args):
        raise AssertionError("no patch is needed")

    change = hub.file("f", DATA[:5000])
    plan = client.prepare(change)["f"].plan
    with monkeypatch.context() as patch:
        patch.setattr("pyzsync_daemon.client.pull.Patch", never)
        client.fetch(change, plan)
    applied = client.commit(change).applied
    assert [each.fetched for each in applied] == [5000]
    assert client.tree() == {"f": DATA[:5000]}


def test_a_small_file_that_is_wrong_is_never_believed(client, hub):
    change = hub.file("f", DATA[:5000])
    (query,) = client.prepare(change)["f"].plan.blocks
    hub.corrupt = {(0, 3)}
    client.bench.put(hub.put(change, query))
    plan = client.bench.finish(Finish(change)).plan  # the second try asks what is wrong
    assert plan.hashes
    hub.leaves_sent = 0
    assert client.fetch(change, plan) == ""
    assert hub.leaves_sent == 1
    client.commit(change)
    assert client.tree() == {"f": DATA[:5000]}


def test_of_a_tiny_file_the_old_bytes_are_not_searched(client, hub):
    client.apply(hub.file("f", DATA[:WHOLE]))
    plan = client.prepare(hub.file("f", DATA[1 : WHOLE + 1]))["f"].plan
    assert plan.hashes == ()
    assert [runs.count(query.leaves) for query in plan.blocks] == [8]
    plan = client.prepare(hub.file("f", DATA[: WHOLE + 1]))["f"].plan
    assert plan.hashes


def test_what_was_verified_and_has_vanished_is_not_made_anew(client, hub):
    """Zeros in its place would be believed."""
    change = hub.file("f", DATA)
    plan = client.prepare(change)["f"].plan
    assert client.private("staging") == {}  # not before there is something to stage
    first, *others = plan.blocks
    client.bench.put(hub.put(change, first))
    (staged,) = (client.root / ".pyzsync/staging").iterdir()
    staged.unlink()
    assert client.bench.put(hub.put(change, others[0])).error == "f: No such file or directory"


# --- old bytes are staged while blocks are on their way ------------------------------------------


def edited(*places):
    """DATA with other bytes at these places."""
    changed = bytearray(DATA)
    for place in places:
        changed[place] ^= 1
    return bytes(changed)


def test_blocks_are_asked_for_before_old_bytes_are_staged(client, hub):
    client.apply(hub.file("f", DATA))
    new = edited(WINDOW + 5)
    assert [query.window for query in ask(client, hub, new)] == [1]
    (staged,) = client.private("staging").values()
    assert staged == bytes(len(DATA))
    change = hub.file("f", new)
    assert client.bench.reuse(Reuse(change)) == Planned(change)
    (staged,) = client.private("staging").values()
    assert staged == new[:WINDOW] + bytes(LEAF) + new[WINDOW + LEAF :]


def test_old_bytes_that_were_edited_since_the_search_are_fetched(client, hub):
    """Of the window that waits for blocks and of another: the nodes that do not match."""
    client.apply(hub.file("f", DATA))
    new = edited(WINDOW + 5)
    (asked,) = ask(client, hub, new)
    change = hub.file("f", new)
    with (client.root / "f").open("r+b") as file:
        for place in (3 * LEAF, WINDOW + 7 * LEAF):
            file.seek(place)
            file.write(b"an edit")
    (other,) = client.bench.reuse(Reuse(change)).plan.blocks
    assert (other.window, runs.decode(other.leaves)) == (0, [(0, 4)])
    (again,) = client.bench.put(hub.put(change, asked)).plan.blocks
    assert (again.window, runs.decode(again.leaves)) == (1, [(4, 8)])
    for query in (other, again):
        assert client.bench.put(hub.put(change, query)) == Planned(change)
    assert client.bench.finish(Finish(change)) == Planned(change, whole=True)


# --- deltas --------------------------------------------------------------------------------------

EDITED = DATA[:700_000] + random.Random(6).randbytes(200_000) + DATA[700_100:]


def behind(client, hub, old=DATA, new=EDITED, **fields):
    """A client at one version, and the change to the next."""
    client.apply(hub.file("f", old))
    follows = client.bench._replica.index.get("f").change.version
    return replace(hub.file("f", new, **fields), follows=follows)


def apply(client, change, parts):
    for part in parts:
        planned = client.bench.apply(Apply(change, (part,)))
        if planned != Planned(change):
            return planned
    return client.bench.finish(Finish(change))


@pytest.mark.parametrize("flags", [Flag.NONE, Flag.SPARSE])
def test_a_delta_from_the_version_before_is_tried_first(client, hub, flags):
    change = behind(client, hub, new=EDITED + bytes(300_000), flags=flags)
    plan = client.prepare(change)["f"].plan
    assert plan.delta == DeltaQuery(change.follows, change.version)
    assert [query.since for query in plan.hashes] == [change.follows]
    parts = hub.delta(plan.delta)
    assert apply(client, change, parts) == Planned(change, whole=True)
    (applied,) = client.commit(change).applied
    assert client.tree() == {"f": EDITED + bytes(300_000)}
    assert 500_000 < applied.fetched <= 500_000 + 3 * LEAF
    assert client.bench._replica.trees.load(change.version) is not None
    assert client.conflicts() == []


def test_from_an_older_version_that_the_hub_gave_a_delta_is_tried_too(client, hub):
    change = replace(behind(client, hub), follows=32 * b"f")
    plan = client.prepare(change)["f"].plan
    held = hub.file("f", DATA).version
    assert plan.delta == DeltaQuery(held, change.version)
    assert [query.since for query in plan.hashes] == [b""]  # the hub may not have its hashes
    assert apply(client, change, hub.delta(plan.delta)) == Planned(change, whole=True)
    client.commit(change)
    assert client.tree() == {"f": EDITED}


def test_a_version_that_the_hub_never_gave_is_no_use_for_a_delta(client, hub):
    change = behind(client, hub)
    (client.root / "f").write_bytes(b"edited here" + DATA)
    plan = client.prepare(change)["f"].plan
    assert (plan.delta, [query.since for query in plan.hashes]) == (None, [b""])


def test_a_delta_that_does_not_lead_to_the_version_is_done_without(client, hub):
    change = behind(client, hub)
    plan = client.prepare(change)["f"].plan
    stamp = (client.root / "f").stat()
    with (client.root / "f").open("r+b") as file:
        file.write(b"rot")  # since it was looked at
    os.utime(client.root / "f", ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    planned = apply(client, change, hub.delta(plan.delta))
    assert planned == Planned(change, replace(plan, delta=None))
    lists = tuple(hub.hashlist(replace(query, since=b"")) for query in planned.plan.hashes)
    planned = client.bench.match(Match(change, lists))
    assert client.fetch(change, planned.plan) == ""
    assert client.commit(change).again == (change,)  # and the edit is looked at


@pytest.mark.parametrize("spoil", [b"", b"\0" * 40])
def test_a_delta_that_is_no_delta_is_done_without(client, hub, spoil):
    change = behind(client, hub)
    plan = client.prepare(change)["f"].plan
    first, *_ = hub.delta(plan.delta)
    bad = replace(first, data=spoil + first.data[:50])
    bad = replace(bad, parts=1)
    assert apply(client, change, [bad]) == Planned(change, replace(plan, delta=None))


# --- interrupted transfers -----------------------------------------------------------------------


def interrupt(client, way, change):
    """The transfer ends: the client dies, or a newer version comes."""
    if way == "kill":
        client.reopen()
    else:
        assert client.bench.abandon(Abandon(change)) == Planned(change)


@pytest.mark.parametrize("way", ["kill", "newer"])
def test_a_cut_at_90_percent_fetches_little_again(client, hub, way):
    """Blocks of a new file; when a newer version has appeared meanwhile, its own changes too."""
    new = random.Random(7).randbytes(10 * WINDOW)
    change = hub.file("f", new)
    for query in client.prepare(change)["f"].plan.blocks[:9]:
        client.bench.put(hub.put(change, query))
    interrupt(client, way, change)
    newer = hub.file("f", new[:WINDOW] + b"one" + new[WINDOW + 3 :]) if way == "newer" else change
    hub.leaves_sent = hub.nodes_sent = 0
    client.apply(newer)
    assert client.tree() == {"f": hub.bytes[newer.version]}
    assert hub.leaves_sent * LEAF + hub.nodes_sent * 12 <= 0.11 * len(new)


@pytest.mark.parametrize("way", ["kill", "newer"])
def test_a_delta_that_was_cut_at_90_percent_is_mostly_kept(client, hub, way):
    new = DATA[:WINDOW] + random.Random(7).randbytes(2_000_000) + DATA[WINDOW:]
    change = behind(client, hub, new=new)
    parts = hub.delta(client.prepare(change)["f"].plan.delta)
    for part in parts[: len(parts) * 9 // 10]:
        assert client.bench.apply(Apply(change, (part,))) == Planned(change)
    interrupt(client, way, change)
    newer = change
    if way == "newer":
        newer = replace(hub.file("f", b"one" + new[3:]), follows=change.version)
    hub.leaves_sent = hub.nodes_sent = 0
    plan = client.prepare(newer)["f"].plan
    assert plan.delta is None
    assert client.fetch(newer, replace(plan, hashes=plain(plan.hashes))) == ""
    client.commit(newer)
    assert client.tree() == {"f": hub.bytes[newer.version]}
    assert hub.leaves_sent * LEAF + hub.nodes_sent * 12 <= 0.11 * 2_000_000 + 3 * 56_320


def plain(queries):
    """This hub in memory compares with nothing."""
    return tuple(replace(query, since=b"") for query in queries)
