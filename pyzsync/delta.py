"""Making a delta with the old version's tree alone: the search of rsync, done once for everyone.

The old bytes may be gone. Their leaves' hashes are enough to find what the new version keeps of
them: at the same offsets and moved by whole leaves (both trees tell, no file is read), and in what
that leaves, at any offset, by rolling over the *new* bytes (Tridgell's search, 1999). A copy is
whole old leaves; all between copies is literal.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from pyzsync.blueprint import Blueprint
from pyzsync.grid import LEAF, WINDOW, node_size
from pyzsync.kernel import Matcher
from pyzsync.match import compare_same_offset, slide
from pyzsync.relink import relink
from pyzsync.runs import Runs
from pyzsync.steps import MAX_STEPS, Column, Steps
from pyzsync.target import Target
from pyzsync.tree import HashTree

ReadLeaves = Callable[[int, Runs], bytes]

# A block that the new version repeats is found once a pass; what is left after these is literal,
# where the compressor sees that it repeats.
_PASSES = 3
# A copy that overlaps the one before it is cut. What is left costs more than so few literal bytes.
_LEAST_COPY = 32
# Nodes made into copies at once: bounds temporary copies to a few megabytes.
_CHUNK = 1 << 17


@dataclass(frozen=True, slots=True, eq=False)
class _Copies:
    """Old ranges in the new version: columns in ascending order of ``at``, not overlapping."""

    at: Column
    source: Column
    size: Column

    def merged(self) -> _Copies:
        """Neighbours that continue each other become one."""
        ends, tails = self.at + self.size, self.source + self.size
        apart = (ends[:-1] != self.at[1:]) | (tails[:-1] != self.source[1:])
        heads = np.flatnonzero(np.append(True, apart)) if len(self.at) else self.at
        sizes = np.add.reduceat(self.size, heads) if len(heads) else self.size
        return _Copies(self.at[heads], self.source[heads], sizes)

    def joined(self, other: _Copies) -> _Copies:
        """Both together."""
        at = np.concatenate((self.at, other.at))
        order = np.argsort(at, kind="stable")
        source = np.concatenate((self.source, other.source))[order]
        size = np.concatenate((self.size, other.size))[order]
        return _Copies(at[order], source, size).merged()

    def gaps(self, length: int) -> tuple[Column, Column]:
        """Starts and stops of what is not copied."""
        starts = np.append(0, self.at + self.size)
        stops = np.append(self.at, length)
        some = starts < stops
        return starts[some], stops[some]


def find_steps(
    old: HashTree, new: HashTree, read: ReadLeaves, most_literal: int, most_searched: int
) -> Steps | None:
    """The steps that make the new version from the old one; None if there is no good delta.

    ``read(window, leaves)`` returns leaves of the new version, which the caller has verified. At
    most ``most_searched`` bytes are rolled over. There is no delta when the trees keep different
    levels, nothing was found, or more than ``most_literal`` bytes or ``MAX_STEPS`` steps would
    travel.
    """
    if old.base != new.base or not old.length or not new.length:
        return None
    copies = _aligned(old, new)
    starts, stops = copies.gaps(new.length)
    if int((stops - starts).sum()) > most_searched:
        return None
    copies = _rolled(copies, old, new, read)
    steps = _steps(copies, new.length)
    if not steps.copied_bytes or steps.literal_bytes > most_literal or len(steps) > MAX_STEPS:
        return None
    return steps


def literals(steps: Steps, read: ReadLeaves) -> Iterator[memoryview]:
    """The literals of a delta, in order, in pieces of at most a window."""
    starts = steps.starts + steps.copied
    some = steps.literal > 0
    for _, data in _pieces(starts[some], (starts + steps.literal)[some], read):
        yield data


def _aligned(old: HashTree, new: HashTree) -> _Copies:
    """What the trees tell: leaves at the same offsets, and leaves that moved by whole leaves."""
    target = Target(new.version, new.length, new.base)
    target.add_level(new, new.base)
    blueprint = Blueprint(new.length, new.base)
    compare_same_offset(blueprint, target, old, new.base)
    slide(blueprint, target, old, 0, new.base)
    del target  # 12 bytes a node

    def rest() -> None:
        old.rest()
        new.rest()

    columns = old.hashes(old.base), new.hashes(new.base)
    relink(blueprint.source, *columns, blueprint.unit, rest)
    return _copies_of(blueprint)


def _copies_of(blueprint: Blueprint) -> _Copies:
    """Its copies, merged a part at a time: a row for each node would be 24 bytes of memory."""
    none = np.zeros(0, dtype=np.int64)
    parts = [_Copies(none, none, none)]
    for start in range(0, len(blueprint.source), _CHUNK):
        source = blueprint.source[start : start + _CHUNK]
        nodes = np.flatnonzero(source >= 0)
        at = (nodes + start) * blueprint.unit
        size = np.minimum(at + blueprint.unit, blueprint.length) - at
        parts.append(_Copies(at, source[nodes], size).merged())
    columns = ([getattr(part, name) for part in parts] for name in ("at", "source", "size"))
    return _Copies(*map(np.concatenate, columns)).merged()


def _rolled(copies: _Copies, old: HashTree, new: HashTree, read: ReadLeaves) -> _Copies:
    """Add what old leaves (all of them may occur again) are found in the gaps, at any offset."""
    unit = node_size(old.base)
    leaves = np.arange(old.length // unit)
    wanted = old.hashes(old.base)[: len(leaves)]
    for _ in range(_PASSES):
        starts, stops = copies.gaps(new.length)
        long = stops - starts >= unit
        if not len(leaves) or not long.any():
            break
        matcher = Matcher(wanted.weak.data, wanted.strong.data, wanted.width, unit)
        _scan(matcher, starts[long], stops[long], read, unit)
        offsets = np.frombuffer(matcher.offsets(), dtype="<i8").astype(np.int64)
        found = offsets >= 0
        # What is nowhere in the gaps will not be there the next time.
        leaves, wanted = leaves[found], wanted.take(np.flatnonzero(found))
        copies = copies.joined(_placed(offsets[found], leaves, unit))
    return copies


def _scan(matcher: Matcher, starts: Column, stops: Column, read: ReadLeaves, unit: int) -> None:
    """Feed the gaps; one that goes on in the next window overlaps itself by ``unit - 1`` bytes."""
    end, tail = -1, b""
    for at, data in _pieces(starts, stops, read):
        start, scanned = at, bytes(data)
        if at == end:
            start, scanned = at - len(tail), tail + scanned
        matcher.scan(scanned, start)
        end, tail = at + len(data), scanned[-(unit - 1) :]


def _placed(offsets: Column, leaves: Column, unit: int) -> _Copies:
    """One copy for each offset: of equal old leaves the one that continues its neighbour."""
    where = np.full(int(leaves.max(initial=-1)) + 3, -unit, dtype=np.int64)
    where[leaves + 1] = offsets  # one slot before the first and one behind the last
    continues = where[leaves] == offsets - unit
    continues |= where[leaves + 2] == offsets + unit
    order = np.lexsort((leaves, ~continues, offsets))
    offsets, leaves = offsets[order], leaves[order]
    first = np.append(True, offsets[1:] != offsets[:-1])[: len(offsets)]
    offsets, leaves = offsets[first], leaves[first]
    # Finds of different pieces may overlap: the later one begins where the earlier one ends.
    at = np.maximum(offsets, np.append(-unit, offsets[:-1])[: len(offsets)] + unit)
    size = offsets + unit - at
    long = size >= _LEAST_COPY
    source = leaves * unit + at - offsets
    return _Copies(at[long], source[long], size[long])


def _steps(copies: _Copies, length: int) -> Steps:
    """A literal before the first copy belongs to a step that copies nothing."""
    at, source, size = copies.at, copies.source, copies.size
    if not len(at) or at[0]:
        at, source, size = (np.append(0, column) for column in (at, source, size))
        size[0] = 0
    literal = np.append(at[1:], length) - (at + size)
    return Steps(source, size, literal)


def _pieces(starts: Column, stops: Column, read: ReadLeaves) -> Iterator[tuple[int, memoryview]]:
    """The bytes of ranges of the new version, cut at windows: offset and data.

    One ``read`` a window, of the leaves that hold any of it.
    """
    window, spans = -1, list[tuple[int, int]]()
    for start, stop in zip(starts.tolist(), stops.tolist(), strict=True):
        while start < stop:
            if start // WINDOW != window:
                yield from _cut(window, spans, read)
                window, spans = start // WINDOW, []
            end = min(stop, (window + 1) * WINDOW)
            spans.append((start, end))
            start = end
    yield from _cut(window, spans, read)


def _cut(
    window: int, spans: list[tuple[int, int]], read: ReadLeaves
) -> Iterator[tuple[int, memoryview]]:
    if not spans:
        return
    origin = window * WINDOW
    leaves: Runs = []
    for start, stop in spans:
        first, last = (start - origin) // LEAF, -(-(stop - origin) // LEAF)
        if leaves and first <= leaves[-1][1]:
            first = leaves.pop()[0]
        leaves.append((first, last))
    data = memoryview(read(window, leaves))
    rest, run, base = iter(leaves), (0, 0), 0  # data[base] is the first byte of the run
    for start, stop in spans:
        while start - origin >= run[1] * LEAF:
            base += (run[1] - run[0]) * LEAF
            run = next(rest)
        at = base + start - origin - run[0] * LEAF
        yield start, data[at : at + stop - start]
