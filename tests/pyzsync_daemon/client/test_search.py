"""Hashes from coarse to fine: what is asked for, and what it costs."""

import random
from dataclasses import replace

import numpy as np
import pytest

from protocol import runs
from pyzsync import Blueprint, Target
from pyzsync.grid import LEAF, WINDOW, node_count, push_level
from pyzsync.runs import runs_of
from pyzsync_daemon.client.search import Search
from pyzsync_daemon.client.sources import OldBytes, OldFile

DATA = random.Random(8).randbytes(3 * WINDOW + 700)
TEXT = random.Random(9).randbytes(3000)


class Seeker:
    """A search in an old file for a new one, with a hub that counts."""

    def __init__(self, client, hub, old, new, known=True):
        client.apply(hub.file("f", old))
        self.hub, self.change = hub, hub.file("f", new)
        self.version = client.bench._replica.index.get("f").change.version
        files = (OldFile("f", len(old), version=self.version if known else b""),)
        self.old = OldBytes(client.bench._replica, files)
        self.blueprint = Blueprint(len(new))
        self.search = Search(Target(self.change.version, len(new)), self.blueprint, self.old)
        self.levels = []
        hub.nodes_sent = 0

    def go(self, since=b"", answer=None):
        queries = Search.first(self.change.version, self.change.size, since)
        with self.old.opened():
            while queries:
                self.levels.append(queries[0].level)
                queries = self.search.take(tuple((answer or self.hub.hashlist)(q) for q in queries))
        return self

    @property
    def missing(self):
        return self.blueprint.missing_bytes


def differing(hub, since):
    """Answers as a hub does that has the version before."""

    def answer(query):
        if not query.since:
            return hub.hashlist(query)
        tree, before = hub.trees[query.version], hub.trees[since]
        wanted = [node for run in runs.decode(query.nodes) for node in range(*run)]
        other = before.hashes(query.level)
        listed = [
            node
            for node in wanted
            if node >= len(other)
            or not tree.hashes(query.level, node, 1).equal(other[node : node + 1])[0]
        ]
        mask = np.zeros(4096, dtype=bool)
        mask[listed] = True
        return hub.hashlist(replace(query, nodes=runs.encode(runs_of(mask))))

    return answer


def test_few_missing_nodes_are_asked_for_at_the_finest_level_at_once(client, hub):
    new = bytearray(DATA)
    new[WINDOW + 5] ^= 1
    seeker = Seeker(client, hub, DATA, bytes(new)).go()
    level = push_level(len(DATA))
    assert seeker.levels == [level, 0]
    assert seeker.missing == LEAF
    assert hub.nodes_sent == node_count(len(DATA), level) + 4**level


def test_many_missing_nodes_are_narrowed_down_level_by_level(client, hub):
    new = bytearray(DATA)
    for at in range(0, len(DATA), 16 * LEAF):
        new[at] ^= 1
    seeker = Seeker(client, hub, DATA, bytes(new)).go()
    assert seeker.missing == LEAF * -(-len(DATA) // (16 * LEAF))
    assert seeker.levels == [1, 0]
    everything = node_count(len(DATA), 0)
    assert hub.nodes_sent < everything


def test_large_files_begin_coarser(client, hub):
    old = random.Random(2).randbytes(8 * WINDOW)
    new = bytearray(old)
    for at in range(0, len(old), 24 * LEAF):
        new[at] ^= 1
    seeker = Seeker(client, hub, old, bytes(new)).go()
    assert seeker.levels == [2, 1, 0]
    assert seeker.missing == LEAF * -(-len(old) // (24 * LEAF))
    assert hub.nodes_sent < node_count(len(old), 0) // 2


def test_an_odd_shift_is_found_at_a_coarse_level(client, hub):
    """Without rolling there, every leaf's hash would be asked for."""
    seeker = Seeker(client, hub, DATA, DATA[:1000] + b"odd" + DATA[1000:]).go()
    assert seeker.missing <= 3 * LEAF
    assert seeker.blueprint.steps["roll"] > 2 * WINDOW
    assert hub.nodes_sent < node_count(len(DATA), 1) + 200


def test_what_is_not_there_is_rolled_over_twice_at_most(client, hub, monkeypatch):
    seeker = Seeker(client, hub, random.Random(1).randbytes(len(DATA)), DATA)
    read = []
    real = seeker.old.read

    def counted(self, at, size):
        read.append(size)
        return real(at, size)

    monkeypatch.setattr(OldBytes, "read", counted)
    seeker.go()
    assert seeker.missing == len(DATA)
    assert sum(read) < 2.2 * len(DATA)


def test_nodes_that_are_not_listed_are_those_of_the_version_before(client, hub):
    new = DATA[:-5] + b"other"
    seeker = Seeker(client, hub, DATA, new)
    answer = differing(hub, seeker.version)
    seeker.go(seeker.version, answer)
    assert seeker.missing <= LEAF
    assert hub.nodes_sent < 40  # of 12,000 leaves


def test_a_version_before_that_was_edited_here_is_not_relied_on(client, hub):
    seeker = Seeker(client, hub, DATA, DATA[:-5] + b"other", known=False)
    (client.root / "f").write_bytes(TEXT + DATA[len(TEXT) :])
    seeker.go(seeker.version, differing(hub, seeker.version))
    assert seeker.levels[:2] == [1, 1]  # once more, without comparing
    assert seeker.missing <= len(TEXT) + 2 * LEAF


def test_a_hub_that_says_too_much_is_the_same(client, hub):
    seeker = Seeker(client, hub, DATA[: WINDOW // 2], DATA)

    def nothing_differs(query):
        return hub.hashlist(replace(query, nodes=b""))

    with pytest.raises(ValueError, match="the old version has not"):
        seeker.go(seeker.version, nothing_differs)
