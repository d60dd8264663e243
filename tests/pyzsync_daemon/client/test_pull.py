"""What a transfer asks for, and what it costs."""

import random
from dataclasses import replace

import pytest

from protocol import runs
from protocol.messages import Flag, Kind
from pyzsync.grid import WINDOW, push_level
from pyzsync_daemon.client.effects import Finish, Match, Plan, State
from pyzsync_daemon.client.pull import AHEAD

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


def test_a_huge_file_takes_no_list_of_its_windows(client, hub):
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
