"""Small values of the conversation, each with what a test does not care about filled in."""

from dataclasses import replace

from protocol import runs
from protocol.messages import (
    BlockQuery,
    Blocks,
    Change,
    Coding,
    Delta,
    DeltaQuery,
    Hashlist,
    HashQuery,
    Kind,
    Position,
    Welcome,
)
from pyzsync_daemon.client.effects import (
    Applied,
    Commit,
    Committed,
    Outcome,
    Plan,
    Prepare,
    Prepared,
    State,
)

HUB = 32 * b"h"
LEAF = 512


def version(number):
    return bytes([number]) * 32


def file(path, seq=1, number=1, size=LEAF, **fields):
    return Change(seq, path, Kind.FILE, size=size, version=version(number), **fields)


def directory(path, seq=1):
    return Change(seq, path, Kind.DIRECTORY)


def absent(path, seq=1):
    return Change(seq, path, Kind.ABSENT)


def position(seq):
    return Position(16 * b"e", seq, seq.to_bytes(32, "big"))


def welcome(resumed=True, requests=256, hub=HUB, protocol=1):
    return Welcome(protocol, (), "hub", hub, b"", resumed, requests)


def hash_query(number=1, level=0, window=0, nodes=1, since=b""):
    return HashQuery(version(number), level, window, runs.whole(nodes), since)


def hashlist(query, width=5):
    rows = runs.count(query.nodes)
    return Hashlist(query, width, bytes(4 * rows), bytes(width * rows))


def block_query(number=1, window=0, leaves=1):
    return BlockQuery(version(number), window, runs.whole(leaves))


def blocks(query, part=0, parts=1, gone=b"", coding=Coding.RAW, size=None):
    size = LEAF * (runs.count(query.leaves) - runs.count(gone)) if size is None else size
    return Blocks(query, part, parts, coding, size, gone, bytes([part]) * (size // parts))


def delta_query(number=1, old=0, first=0):
    return DeltaQuery(version(old), version(number), first)


def delta(query, part=0, parts=1, size=100):
    return Delta(replace(query, first=0), part, parts, Coding.ZSTD, size, bytes([part, 1]))


def ready(effect, **fields):
    """Every change of a Prepare is staged."""
    assert isinstance(effect, Prepare)
    return Prepared(tuple(Outcome(each, State.READY, **fields) for each in effect.changes))


def pull(effect, *queries, hashes=(), delta=None, **fields):
    """The only change of a Prepare needs bytes."""
    (change,) = effect.changes
    plan = Plan(tuple(hashes), tuple(queries), delta)
    return Prepared((Outcome(change, State.PULL, plan, **fields),))


def outcome(effect, state, error=""):
    return Prepared(tuple(Outcome(each, state, error=error) for each in effect.changes))


def committed(effect):
    assert isinstance(effect, Commit)
    return Committed(tuple(Applied(change) for change in effect.changes))


def new_file(staging, path, version, size):
    """The name of a staging file of zeros that was begun."""
    name = staging.part(path, version)
    with staging.open(name, size=size):
        return name
