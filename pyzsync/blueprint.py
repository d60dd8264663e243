"""The blueprint: for every base node, the old offset that its bytes are copied from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pyzsync.grid import FANOUT, WINDOW_LEAVES, finest_kept, node_count, node_size, window_bytes
from pyzsync.runs import Mask, Runs, mask_of, runs_of

MISSING = -1

# Base nodes that are filled in at once: bounds the temporary index arrays to a few megabytes.
_CHUNK = 1 << 18


@dataclass(frozen=True, slots=True)
class Copy:
    """The ``length`` old bytes at ``source``, ``times`` times, are the new bytes at ``offset``."""

    offset: int
    source: int
    length: int
    times: int = 1


class Blueprint:
    """Where the bytes of a version of ``length`` bytes come from: 8 bytes of memory a base node.

    ``steps`` counts the bytes that each step of the search found. Old offsets are in the caller's
    one address space of all its old files.
    """

    def __init__(self, length: int, base: int | None = None) -> None:
        self.length = length
        self.base = finest_kept(length) if base is None else base
        self.unit = node_size(self.base)
        self.source: NDArray[np.int64] = np.full(
            node_count(length, self.base), MISSING, dtype=np.int64
        )
        self.steps: dict[str, int] = {"compare": 0, "slide": 0, "roll": 0}

    @property
    def reused_bytes(self) -> int:
        """Bytes that old bytes will give."""
        return self.length - self.missing_bytes

    @property
    def missing_bytes(self) -> int:
        """Bytes that nothing old has been found for."""
        return self._bytes_of(self.source < 0)

    def unmatched(self, level: int) -> Mask:
        """Which nodes of ``level`` have bytes that are still missing."""
        missing = self.source < 0
        if level == self.base or not len(missing):
            return missing
        starts = np.arange(0, len(missing), FANOUT ** (level - self.base))
        return np.asarray(np.logical_or.reduceat(missing, starts))

    def fill(
        self, step: str, level: int, nodes: NDArray[np.int64], sources: NDArray[np.int64]
    ) -> int:
        """Nodes of ``level`` were found at old offsets: use them for what is missing.

        Returns the bytes that this found; they are counted under ``step``.
        """
        found = 0
        below = FANOUT ** (level - self.base)
        part = max(_CHUNK // below, 1)
        within = np.arange(below, dtype=np.int64)
        for start in range(0, len(nodes), part):
            at = (nodes[start : start + part, None] * below + within).ravel()
            old = (sources[start : start + part, None] + within * self.unit).ravel()
            open_ = at < len(self.source)
            at, old = at[open_], old[open_]
            missing = self.source[at] < 0
            at = at[missing]
            self.source[at] = old[missing]
            found += len(at) * self.unit
            if len(at) and at[-1] == len(self.source) - 1:
                found -= len(self.source) * self.unit - self.length  # the last one may be short
        self.steps[step] += found
        return found

    def missing(self, window: int) -> Runs:
        """The leaves of one window that must be fetched."""
        leaves = node_count(window_bytes(self.length, window), 0)
        missing = self.source[self.nodes(window)] < 0
        return runs_of(np.repeat(missing, FANOUT**self.base)[:leaves])

    def copies(self, window: int, skip: Mask | None = None) -> list[Copy]:
        """How to make one window's other bytes, in ascending order and merged.

        ``skip`` marks base nodes of the window that are not wanted any more.
        """
        nodes = self.nodes(window)
        source = self.source[nodes]
        wanted = source >= 0 if skip is None else (source >= 0) & ~skip
        at = np.flatnonzero(wanted)
        if not len(at):
            return []
        return self._merge(nodes.start + at, source[at])

    def forget(self, window: int, runs: Sequence[tuple[int, int]]) -> None:
        """These leaves' copies were wrong: with the base nodes they are in, they become missing."""
        leaves = node_count(window_bytes(self.length, window), 0)
        bad = np.flatnonzero(mask_of(runs, leaves)) // FANOUT**self.base
        self.source[self.nodes(window).start + bad] = MISSING

    def nodes(self, window: int) -> slice:
        """The base nodes of one window; ValueError if there is no such window."""
        first = window * WINDOW_LEAVES // FANOUT**self.base
        return slice(first, first + node_count(window_bytes(self.length, window), self.base))

    def _bytes_of(self, mask: Mask) -> int:
        count = int(np.count_nonzero(mask))
        if count and mask[-1]:
            return count * self.unit - (len(mask) * self.unit - self.length)
        return count * self.unit

    def _merge(self, nodes: NDArray[np.int64], source: NDArray[np.int64]) -> list[Copy]:
        """Joins nodes whose sources continue each other, then single ones that repeat a block."""
        near, step = np.diff(nodes) == 1, np.diff(source)
        starts = np.concatenate(([0], np.flatnonzero(~near | (step != self.unit)) + 1))
        stops = np.append(starts[1:], len(nodes))
        single = stops - starts == 1
        between = starts[1:] - 1
        repeats = single[:-1] & single[1:] & near[between] & (step[between] == 0)
        if len(repeats) and self.length % self.unit and nodes[-1] == len(self.source) - 1:
            repeats[-1] = False  # a short last node repeats nothing
        heads = np.concatenate(([0], np.flatnonzero(~repeats) + 1))
        times = np.diff(np.append(heads, len(starts))).tolist()
        first = starts[heads]
        offsets = nodes[first] * self.unit
        ends = np.minimum((nodes[stops[heads] - 1] + 1) * self.unit, self.length)
        lengths = (ends - offsets).tolist()
        return list(map(Copy, offsets.tolist(), source[first].tolist(), lengths, times))
