"""The rolling search: the weak sum at every byte of old files, for what nothing else has found.

zsync's search (Tridgell's from rsync, with the roles of the two sides exchanged). It comes last,
since it alone reads old files, and it reads only the parts that the blueprint does not use yet.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Executor
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pyzsync.blueprint import Blueprint
from pyzsync.grid import node_size
from pyzsync.hashes import hash_level
from pyzsync.kernel import Matcher
from pyzsync.parallel import AHEAD, Read, in_turn
from pyzsync.target import Target

PIECE = 1 << 18
"""Bytes scanned at once: they leave the caches to the tables of what is wanted. Measured where
millions of blocks are: three times the speed of pieces of 2 MiB."""

# Nodes looked at at once: bounds temporary copies to a few megabytes.
_CHUNK = 1 << 17

NEAR = 1 << 14
"""Ranges no further apart are read at once. Measured: each read costs as much as copying that."""

Ranges = NDArray[np.int64]
"""Ascending rows of a start and a stop."""


class Batch(NamedTuple):
    """Old bytes to scan in one go; those before ``done`` have been scanned when this begins.

    Between the parts that a patch leaves unused there are tens of thousands of short ones, and to
    hand each to a thread would cost more than to scan it.
    """

    ranges: Ranges
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
        pieces = _pieces(unused(blueprint, old_length, node_size(level)), node_size(level))

        def scan(batch: Batch) -> None:
            _scan(matcher, read, batch)

        for _ in in_turn(scan, _batches(matcher, pieces), executor):
            pass
        sources = np.frombuffer(matcher.offsets(), dtype="<i8")
        hit = sources >= 0
        found = blueprint.fill("roll", level, whole[hit], sources[hit])
    if len(whole) < len(nodes):
        found += _find_tail(blueprint, target, read, old_length, level)
    return found


def unused(blueprint: Blueprint, old_length: int, block: int) -> Ranges:
    """The old bytes to search for blocks that touch bytes which the blueprint does not use.

    Not those around a gap of a block or less: it held what was changed in place (a tar's header),
    and what lies across its ends is hardly ever wanted. Measured on ``linux``: 64 MB to search
    and not 162, and not one block less found.
    """
    # Copies of bytes that lie side by side are one: those are sorted, and not millions of nodes.
    firsts, lasts = _copied(blueprint)
    order = np.argsort(firsts)
    starts = np.append(0, np.maximum.accumulate(lasts[order]) + blueprint.unit)
    stops = np.minimum(np.append(firsts[order], old_length), old_length)
    gap = stops - starts > min(block, old_length - 1)
    starts = np.maximum(starts[gap] - (block - 1), 0)
    stops = np.minimum(stops[gap] + (block - 1), old_length)
    # Widened gaps that touch become one; both columns ascend, so neighbours tell.
    apart = starts[1:] > stops[:-1]
    firsts = starts[np.append(True, apart)[: len(starts)]]
    lasts = stops[np.append(apart, True)[: len(stops)]]
    long = lasts - firsts >= block
    return np.column_stack((firsts[long], lasts[long]))


def _copied(blueprint: Blueprint) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Where in the old bytes the first and the last node of each copy begin, some in parts."""
    none = np.zeros(0, dtype=np.int64)
    firsts, lasts = [none], [none]
    for start in range(0, len(blueprint.source), _CHUNK):
        used = blueprint.source[start : start + _CHUNK]
        used = used[used >= 0]
        cuts = np.flatnonzero(np.diff(used) != blueprint.unit)
        firsts += used[:1], used[cuts + 1]
        lasts += used[cuts], used[-1:]
    return np.concatenate(firsts), np.concatenate(lasts)


def _pieces(parts: Ranges, block: int) -> Ranges:
    """Cut ranges into pieces that overlap by ``block - 1`` bytes."""
    size = max(PIECE, 2 * block)
    step = size - (block - 1)
    starts, stops = parts[:, 0], parts[:, 1]
    counts = -(-(stops - starts - (block - 1)) // step)
    within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    at = np.repeat(starts, counts) + within * step
    return np.column_stack((at, np.minimum(at + size, np.repeat(stops, counts))))


def _batches(matcher: Matcher, pieces: Ranges) -> Iterator[Batch]:
    """Batches of about a piece, until nothing is pending.

    They ascend, and all that were taken are scanned to their end: what the others might hold lies
    behind every find, so that it is no matter when exactly the last block was found.
    """
    # The batches that may be under way with one are as many whether there are threads or not, so
    # that what counts as found is the same.
    under_way: deque[int] = deque(maxlen=AHEAD)
    sizes = np.append(0, np.cumsum(pieces[:, 1] - pieces[:, 0]))
    first = 0
    while first < len(pieces) and matcher.pending:
        stop = min(int(np.searchsorted(sizes, sizes[first] + PIECE)), len(pieces))
        under_way.append(int(pieces[first, 0]))
        yield Batch(pieces[first:stop], under_way[0])
        first = stop


def _scan(matcher: Matcher, read: Read, batch: Batch) -> None:
    """Read and scan a batch, those of its ranges together that lie near each other."""
    ranges = batch.ranges
    cuts = np.flatnonzero(ranges[1:, 0] - ranges[:-1, 1] > NEAR) + 1
    bounds = [0, *cuts.tolist(), len(ranges)]
    for first, stop in pairwise(bounds):
        start, end = int(ranges[first, 0]), int(ranges[stop - 1, 1])
        matcher.scan_ranges(read(start, end - start), start, ranges[first:stop].data, batch.done)


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
