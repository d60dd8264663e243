"""Hypothesis strategies: every message that may be said, and the run sets and paths within."""

from hypothesis import strategies as st

from protocol import limits, runs
from protocol.errors import BadPath, Code
from protocol.messages import (
    Ack,
    Announce,
    BlockQuery,
    Blocks,
    Change,
    Coding,
    Delta,
    DeltaQuery,
    Failed,
    Flag,
    Get,
    Goodbye,
    Hashlist,
    HashQuery,
    Hello,
    Kind,
    Position,
    Published,
    PublishedQuery,
    Welcome,
)
from protocol.paths import check_path, from_wire


def _is_path(wire):
    try:
        from_wire(wire)
    except BadPath:
        return False
    return True


seqs = st.integers(1, 2**63 - 1)
versions = st.binary(min_size=32, max_size=32)
maybe_versions = st.just(b"") | versions
# Real names: text in any script, bytes that are no text, and the names that are nearly refused.
names = st.one_of(
    st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1),
    st.binary(min_size=1, max_size=20).map(
        lambda raw: raw.replace(b"/", b"_").replace(b"\0", b"_")
    ),
    st.sampled_from(["...", ".a", "-", " ", "pyzsync", ".pyzsyncs", "\n"]),
).map(lambda name: name.encode() if isinstance(name, str) else name)
wires = st.lists(names, min_size=1, max_size=6).map(b"/".join).filter(_is_path)
paths = wires.map(from_wire).map(check_path)
targets = st.binary(min_size=1, max_size=40).filter(lambda raw: 0 not in raw)
words = st.from_regex(r"[a-z0-9-]{1,64}", fullmatch=True)
texts = st.text(max_size=80).filter(str.isprintable)


@st.composite
def run_lists(draw, limit=limits.WINDOW_NODES, min_size=0):
    edges = draw(st.lists(st.integers(0, limit), unique=True, min_size=2 * min_size, max_size=40))
    edges = sorted(edges)[: len(edges) // 2 * 2]
    return list(zip(edges[::2], edges[1::2], strict=True))


def run_sets(min_size=0, limit=limits.WINDOW_NODES):
    return run_lists(limit, min_size).map(runs.encode)


positions = st.builds(
    Position, st.binary(min_size=16, max_size=16), st.integers(0, 2**63 - 1), versions
)


@st.composite
def changes(draw, seq=seqs):
    kind = draw(st.sampled_from(Kind))
    change = {"seq": draw(seq), "path": draw(paths), "kind": kind, "follows": draw(maybe_versions)}
    if kind is not Kind.ABSENT:
        change["mode"] = draw(st.integers(0, 0o777))
        change["mtime_ns"] = draw(st.integers(-(2**63), 2**63 - 1))
    if kind is Kind.FILE:
        change["size"] = draw(st.integers(0, 2**63 - 1))
        change["version"] = draw(versions)
        change["flags"] = draw(st.sampled_from([Flag.NONE, Flag.SPARSE]))
    if kind is Kind.SYMLINK:
        change["target"] = draw(targets).decode("utf-8", "surrogateescape")
    return Change(**change)


@st.composite
def announces(draw):
    if draw(st.booleans()):
        return Announce(tuple(draw(st.lists(changes(), max_size=5))), draw(maybe(positions)), True)
    ordered = sorted(draw(st.lists(seqs, unique=True, max_size=5)))
    items = tuple(draw(changes(st.just(seq))) for seq in ordered)
    position = draw(maybe(positions))
    if position is not None and items and position.seq < items[-1].seq:
        position = None
    return Announce(items, position)


def maybe(strategy):
    return st.none() | strategy


@st.composite
def hash_queries(draw, min_size=1):
    level = draw(st.integers(0, limits.MAX_LEVEL))
    window = draw(st.integers(0, limits.MAX_SIZE // (limits.WINDOW * 4**level)))
    since = draw(maybe_versions)
    return HashQuery(draw(versions), level, window, draw(run_sets(min_size)), since)


block_queries = st.builds(BlockQuery, versions, st.integers(0, limits.MAX_WINDOW), run_sets(1))
firsts = st.integers(0, limits.MAX_DELTA_PARTS - 1)
delta_queries = st.builds(DeltaQuery, versions, versions, firsts).filter(lambda q: q.old != q.new)
published_queries = st.builds(PublishedQuery, paths, versions)
queries = st.one_of(hash_queries(), block_queries, delta_queries, published_queries)


@st.composite
def hashlists(draw):
    query = draw(hash_queries(min_size=0).filter(lambda q: q.nodes or q.since))
    rows = runs.count(query.nodes)
    width = draw(st.integers(limits.MIN_WIDTH, min(limits.MAX_WIDTH, 60_000 // (rows or 1) - 4)))
    fill = draw(st.binary(min_size=1, max_size=8))
    columns = (fill * (rows * width))[: rows * (4 + width)]
    columns = columns.ljust(rows * (4 + width), b"\0")
    return Hashlist(query, width, columns[: 4 * rows], columns[4 * rows :])


@st.composite
def block_sets(draw):
    query = draw(block_queries)
    asked = runs.decode(query.leaves)
    gone = [run for run in asked if draw(st.booleans())]
    leaves = runs.count(query.leaves) - runs.count(runs.encode(gone))
    size = leaves * limits.LEAF - draw(st.integers(0, limits.LEAF - 1)) if leaves else 0
    if not size:
        return Blocks(query, 0, 1, Coding.RAW, 0, runs.encode(gone), b"")
    if size <= limits.MAX_PAYLOAD and draw(st.booleans()):
        return Blocks(query, 0, 1, Coding.RAW, size, runs.encode(gone), bytes(size))
    parts = draw(st.integers(1, -(-size // limits.MAX_PAYLOAD)))
    part = draw(st.integers(0, parts - 1))
    data = draw(st.binary(min_size=1, max_size=50))
    return Blocks(query, part, parts, Coding.ZSTD, size, runs.encode(gone), data)


@st.composite
def deltas(draw):
    parts = draw(st.integers(1, limits.MAX_DELTA_PARTS))
    part = draw(st.integers(0, parts - 1))
    size = draw(st.integers(1, limits.MAX_DELTA))
    data = draw(st.binary(min_size=1, max_size=50))
    return Delta(draw(delta_queries), part, parts, Coding.ZSTD, size, data)


retries = st.integers(0, limits.MAX_RETRY_AFTER)
features = st.lists(words, max_size=4).map(tuple)
hellos = st.builds(
    Hello,
    st.lists(st.integers(1, limits.MAX_PROTOCOL), min_size=1, max_size=16).map(tuple),
    features,
    texts,
    maybe_versions,
    maybe(positions),
)
welcomes = st.builds(
    Welcome,
    st.integers(1, limits.MAX_PROTOCOL),
    features,
    texts,
    versions,
    st.binary(max_size=32),
    st.booleans(),
    st.integers(1, limits.MAX_REQUESTS),
)
messages = st.one_of(
    hellos,
    welcomes,
    announces(),
    st.builds(Get, st.lists(queries, min_size=1, max_size=5).map(tuple)),
    hashlists(),
    block_sets(),
    deltas(),
    st.builds(Published, published_queries, st.booleans()),
    st.builds(Failed, queries, st.sampled_from(list(Code)[1:]), retries),
    st.builds(Ack, st.integers(0, 2**63 - 1)),
    st.builds(Goodbye, st.sampled_from(Code), texts, retries),
)
