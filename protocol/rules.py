"""Rules between the fields of a message; each raises ``Wrong`` when its rule is broken."""

from __future__ import annotations

from protocol import runs
from protocol.errors import Code
from protocol.fields import Wrong
from protocol.limits import FANOUT, LEAF, MAX_PAYLOAD, MAX_SIZE, WINDOW
from protocol.messages import (
    Announce,
    Blocks,
    Change,
    Coding,
    Delta,
    DeltaQuery,
    Failed,
    Get,
    Hashlist,
    HashQuery,
    Kind,
)


def change(change: Change) -> None:
    """Each kind has its own fields and no others."""
    if change.kind is Kind.FILE:
        if not change.version or change.target:
            raise Wrong("a file has a version and no target")
        return
    if change.version or change.size or change.flags:
        raise Wrong("only a file has a version, a size or flags")
    if bool(change.target) != (change.kind is Kind.SYMLINK):
        raise Wrong("a symlink, and nothing else, has a target")
    if change.kind is Kind.ABSENT and (change.mode or change.mtime_ns):
        raise Wrong("what is absent has no mode and no time")


def announce(announce: Announce) -> None:
    """Changes are oldest first, and a position closes what came before it."""
    if announce.snapshot:
        return  # ordered by path, and closed by the position from which to follow on
    last = 0
    for change in announce.changes:
        if change.seq <= last:
            raise Wrong("changes are not in ascending order of seq")
        last = change.seq
    if announce.position is not None and announce.position.seq < last:
        raise Wrong("the position is before the last change")


def hash_query(query: HashQuery) -> None:
    """A window begins within the largest file."""
    if query.window * WINDOW * FANOUT**query.level > MAX_SIZE:
        raise Wrong("the window begins beyond the largest file")


def delta_query(query: DeltaQuery) -> None:
    """A delta leads somewhere."""
    if query.old == query.new:
        raise Wrong("old and new are the same version")


def get(get: Get) -> None:
    """Every query asks for something."""
    if any(type(query) is HashQuery and not query.nodes for query in get.queries):
        raise Wrong("a query for hashes names no nodes")


def hashlist(hashlist: Hashlist) -> None:
    """Columns have a row for each node."""
    rows = runs.count(hashlist.query.nodes)
    if not rows and not hashlist.query.since:
        raise Wrong("an absolute hashlist has no nodes")
    if len(hashlist.weak) != 4 * rows or len(hashlist.strong) != hashlist.width * rows:
        raise Wrong(f"the columns do not have {rows} rows")


def part(part: Blocks | Delta) -> None:
    """A part is one of its parts, and its data agrees with size and coding."""
    if part.part >= part.parts:
        raise Wrong(f"part {part.part} is not one of {part.parts}")
    if part.size == 0:
        if part.parts != 1 or part.coding is not Coding.RAW or part.data:
            raise Wrong("no bytes are one raw part without data")
    elif not part.data:
        raise Wrong("the part has no data")
    if part.coding is Coding.RAW:
        whole = part.parts == 1
        if len(part.data) > part.size or (whole and len(part.data) != part.size):
            raise Wrong("raw data is not as long as its size says")


def blocks(blocks: Blocks) -> None:
    """The size agrees with the leaves, and only asked leaves can be gone."""
    leaves = runs.count(blocks.query.leaves)
    if blocks.gone:
        if not runs.covers(runs.decode(blocks.query.leaves), runs.decode(blocks.gone)):
            raise Wrong("leaves are gone that were not asked for")
        leaves -= runs.count(blocks.gone)
    # Only the last leaf of a file may be short, and it has at least one byte.
    if -(-blocks.size // LEAF) != leaves:
        raise Wrong(f"{blocks.size} bytes do not make {leaves} leaves")
    part(blocks)
    # Whoever compresses does so only where it saves bytes, so an answer is no heavier than asked.
    if blocks.parts > max(1, -(-blocks.size // MAX_PAYLOAD)):
        raise Wrong(f"{blocks.size} bytes do not need {blocks.parts} parts")


def failed(failed: Failed) -> None:
    """A failure has a reason."""
    if failed.code is Code.NORMAL:
        raise Wrong("nothing failed")
