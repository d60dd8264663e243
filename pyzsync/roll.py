"""The rolling search: the weak sum at every byte of old files, for what nothing else has found.

zsync's search (Tridgell's from rsync, with the roles of the two sides exchanged). It comes last,
since it alone reads old files, and it reads only the parts that the blueprint does not use yet.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Executor
from typing import NamedTuple

import numpy as np

from pyzsync.blueprint import Blueprint
from pyzsync.grid import node_size
from pyzsync.hashes import hash_level
from pyzsync.kernel import Matcher
from pyzsync.parallel import AHEAD, Read, in_turn
from pyzsync.runs import Runs
from pyzsync.target import Target

PIECE = 1 << 18
"""Bytes scanned at once: they leave the caches to the tables of what is wanted. Measured where
millions of blocks are: three times the speed of pieces of 2 MiB."""


class Batch(NamedTuple):
    """Old bytes to scan in one go; those before ``done`` have been scanned when this begins.

    Between the parts that a patch leaves unused there are tens of thousands of short ones, and to
    hand each to a thread would cost more than to scan it.
    """

    ranges: Runs
    done: int


def roll(
    blueprint: Blueprint,
    target: Target,
    read: Read,
    old_length: int,
    level: int,
    executor: Executor | None = None,
) -> int:
    """Search the unused old bytes for the unmatched nodes of ``level``, at every offset.

    ``read(offset, size)`` returns old bytes of the caller's ``old_length``; fewer than asked means
    that the file has shrunk, and that part is skipped. It is called from the executor's threads if
    there is one; the result is the same. Returns the bytes found.
    """
    nodes = np.flatnonzero(target.known(level) & blueprint.unmatched(level))
    whole = nodes[nodes < target.length // node_size(level)]
    found = 0
    if len(whole):
        hashes = target.hashes(level).take(whole)
        matcher = Matcher(hashes.weak.data, hashes.strong.data, target.width, node_size(level))
        parts = unused(blueprint, old_length, node_size(level))

        def scan(batch: Batch) -> None:
            for start, stop in batch.ranges:
                matcher.scan(read(start, stop - start), start, batch.done)

        for _ in in_turn(scan, _batches(matcher, parts, node_size(level)), executor):
            pass
        sources = np.frombuffer(matcher.offsets(), dtype="<i8")
        hit = sources >= 0
        found = blueprint.fill("roll", level, whole[hit], sources[hit])
    if len(whole) < len(nodes):
        found += _find_tail(blueprint, target, read, old_length, level)
    return found


def unused(blueprint: Blueprint, old_length: int, block: int) -> Runs:
    """The old bytes to search for blocks that touch bytes which the blueprint does not use."""
    # Copies of bytes that lie side by side are one: those are sorted, and not millions of nodes.
    used = blueprint.source[blueprint.source >= 0]
    cuts = np.flatnonzero(np.diff(used) != blueprint.unit)
    firsts, lasts = np.append(used[:1], used[cuts + 1]), np.append(used[cuts], used[-1:])
    order = np.argsort(firsts)
    starts = np.append(0, np.maximum.accumulate(lasts[order]) + blueprint.unit)
    stops = np.minimum(np.append(firsts[order], old_length), old_length)
    gap = starts < stops
    starts = np.maximum(starts[gap] - (block - 1), 0)
    stops = np.minimum(stops[gap] + (block - 1), old_length)
    if not len(starts):
        return []
    # Widened gaps that touch become one; both columns ascend, so neighbours tell.
    apart = starts[1:] > stops[:-1]
    firsts = starts[np.append(True, apart)]
    lasts = stops[np.append(apart, True)]
    long = lasts - firsts >= block
    return list(zip(firsts[long].tolist(), lasts[long].tolist(), strict=True))


def _batches(matcher: Matcher, parts: Runs, block: int) -> Iterator[Batch]:
    """Batches of about a piece, until nothing is pending.

    They ascend, and all that were taken are scanned to their end: what the others might hold lies
    behind every find, so that it is no matter when exactly the last block was found.
    """
    # The batches that may be under way with one are as many whether there are threads or not, so
    # that what counts as found is the same.
    under_way: deque[int] = deque(maxlen=AHEAD)
    pieces = _pieces(parts, block)
    for first in pieces:
        if not matcher.pending:
            return
        ranges, size = [first], first[1] - first[0]
        while size < PIECE and (piece := next(pieces, None)):
            ranges.append(piece)
            size += piece[1] - piece[0]
        under_way.append(first[0])
        yield Batch(ranges, under_way[0])


def _pieces(parts: Runs, block: int) -> Iterator[tuple[int, int]]:
    """Cut ranges into pieces that overlap by ``block - 1`` bytes."""
    size = max(PIECE, 2 * block)
    for start, stop in parts:
        for at in range(start, stop - (block - 1), size - (block - 1)):
            yield at, min(at + size, stop)


def _find_tail(
    blueprint: Blueprint, target: Target, read: Read, old_length: int, level: int
) -> int:
    """The short last node: right after the one before it, at the same offset, at the old end.

    At most three reads of less than a node; equal bytes elsewhere are not worth a search.
    """
    last = len(target.known(level)) - 1
    size = target.length - last * node_size(level)
    wanted = target.hashes(level)[last : last + 1]
    places = [target.length - size, old_length - size]
    before = (target.length - size) // blueprint.unit - 1
    if before >= 0 and blueprint.source[before] >= 0:
        places.insert(0, int(blueprint.source[before]) + blueprint.unit)
    for source in dict.fromkeys(places):
        if not 0 <= source <= old_length - size:
            continue
        data = read(source, size)
        if len(data) == size and hash_level(data, level).equal(wanted)[0]:
            return blueprint.fill("roll", level, np.array([last]), np.array([source]))
    return 0
