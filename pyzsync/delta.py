"""Making a delta with the old version's tree alone: the search of rsync, done once for everyone.

The old bytes may be gone. Their leaves' hashes are enough to find what the new version keeps of
them: at the same offsets and moved by whole leaves (both trees tell, no file is read), and in what
that leaves, at any offset, by rolling over the *new* bytes (Tridgell's search, 1999). A copy is
whole old leaves; all between copies is literal.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pyzsync.blueprint import Blueprint
from pyzsync.gaps import KeptLeaves, ReadLeaves, WindowRanges, find_blocks, read_ranges
from pyzsync.grid import node_size
from pyzsync.kernel import Matcher
from pyzsync.match import compare_same_offset, slide
from pyzsync.relink import relink
from pyzsync.steps import MAX_STEPS, Column, Steps
from pyzsync.target import Target
from pyzsync.tree import HashTree

_Leaves = NDArray[np.int32]

# A block that the new version repeats is found once a pass; what is left after these is literal,
# where the compressor sees that it repeats.
_PASSES = 3
# A copy that overlaps the one before it is cut. What is left costs more than so few literal bytes.
_LEAST_COPY = 32
# Nodes made into copies at once: bounds temporary copies to a few megabytes.
_CHUNK = 1 << 17
# Old leaves looked for at once: with their tables 30 MB.
_SOUGHT = 1 << 19
# Bytes between copies that are searched as one, and kept for that (with what their leaves hold
# besides). Three are 0.5 s of CPU more where millions of leaves are sought; reading again is more.
_STRETCH = 3 << 23
_KEPT = 5 << 23
_MOST_STRETCHES = 4


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


def literals(steps: Steps, read: ReadLeaves) -> Iterator[bytes]:
    """The literals of a delta, in order, in pieces of at most a window."""
    starts = steps.starts + steps.copied
    some = steps.literal > 0
    for each in read_ranges(starts[some], (starts + steps.literal)[some], read):
        data, spans = memoryview(each.data), zip(each.at.tolist(), each.sizes.tolist(), strict=True)
        yield b"".join([data[at : at + size] for at, size in spans])


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
    starts, stops = _long(*copies.gaps(new.length), unit)
    searched = int((stops - starts).sum())
    # Never more bytes are scanned for the sake of memory than the new version has.
    leaves = old.length // unit
    parts = min(-(-leaves // _SOUGHT), max(new.length // max(searched, 1), 1))
    edges = _edges(starts, stops, searched)
    begin, found = 0, [copies]
    for stop in edges:
        # What the stretch before has left at its end, of less than a leaf, may go on in this one.
        part = np.maximum(starts, begin), np.minimum(stops, stop)
        one = _in_stretch(*_long(*part, unit), old, parts, KeptLeaves(read, _KEPT))
        found.append(one)
        last = int((one.at + one.size).max(initial=begin))
        begin = max(last, stop - unit + 1)
    for one in found[1:]:
        copies = copies.joined(one)
    return copies


def _long(starts: Column, stops: Column, unit: int) -> tuple[Column, Column]:
    """Those gaps that may hold a leaf."""
    long = stops - starts >= unit
    return starts[long], stops[long]


def _edges(starts: Column, stops: Column, searched: int) -> list[int]:
    """Where the stretches end whose gaps are kept while they are scanned again and again.

    For each the tables of old leaves are made anew; where there would be many, there is but one.
    """
    stretches = -(-searched // _STRETCH)
    if not 1 < stretches <= _MOST_STRETCHES:
        return [int(stop) for stop in stops[-1:]]
    before = np.cumsum(stops - starts)
    wanted = searched * np.arange(1, stretches) // stretches
    at = np.searchsorted(before, wanted)
    return [*(stops[at] - (before[at] - wanted)).tolist(), int(stops[-1])]


def _in_stretch(
    starts: Column, stops: Column, old: HashTree, parts: int, kept: KeptLeaves
) -> _Copies:
    """What old leaves are found in some gaps; so many parts of all leaves are looked for at once.

    The fewer at once, the less memory. A block that occurs again is found once a pass.
    """
    unit = node_size(old.base)
    none = np.zeros(0, dtype=np.int64)
    copies = _Copies(none, none, none)
    leaves = np.arange(old.length // unit, dtype=np.int32)
    sought = np.array_split(leaves, parts)
    for _ in range(_PASSES):
        if not len(starts):
            break
        found = [_search(old, part, read_ranges(starts, stops, kept.read)) for part in sought]
        # What is nowhere in the gaps will not be there the next time.
        leaves, offsets = (np.concatenate(columns) for columns in zip(*found, strict=True))
        if not len(leaves):
            break
        sought = np.array_split(leaves, min(-(-len(leaves) // _SOUGHT), parts))
        placed = _placed(offsets, leaves.astype(np.int64), unit)
        copies = copies.joined(placed)
        starts, stops = _long(*_without(starts, stops, placed), unit)
    return copies


def _without(starts: Column, stops: Column, copies: _Copies) -> tuple[Column, Column]:
    """The gaps without some copies, each of which lies in one of them."""
    rest_starts = np.sort(np.concatenate((starts, copies.at + copies.size)))
    rest_stops = np.sort(np.concatenate((stops, copies.at)))
    return rest_starts, rest_stops


def _search(old: HashTree, leaves: _Leaves, gaps: Iterator[WindowRanges]) -> tuple[_Leaves, Column]:
    """Which of these old leaves are in the gaps, and where."""
    wanted = old.hashes(old.base).take(leaves)
    old.rest()
    unit = node_size(old.base)
    matcher = Matcher(wanted.weak.data, wanted.strong.data, wanted.width, unit)
    offsets = find_blocks(matcher, unit, gaps)
    found = offsets >= 0
    return leaves[found], offsets[found]


def _placed(offsets: Column, leaves: Column, unit: int) -> _Copies:
    """One copy for each offset: of equal old leaves the one that continues its neighbour.

    The leaves ascend.
    """
    follows = (np.diff(leaves) == 1) & (np.diff(offsets) == unit)
    continues = np.append(follows, False) | np.append(False, follows)
    continues = continues[: len(leaves)]
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
