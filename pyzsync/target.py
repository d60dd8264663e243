"""What is known of a wanted version's hashes, level by level, as hashlists arrive."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pyzsync.grid import (
    FANOUT,
    WINDOW_LEAVES,
    WINDOW_LEVEL,
    finest_kept,
    node_count,
    strong_width,
    top_level,
    window_bytes,
)
from pyzsync.hashes import Hashes, WindowHashes
from pyzsync.runs import Mask, Runs, mask_of, runs_of
from pyzsync.tree import HashTree

# Nodes copied at once from a tree that is read as it is needed.
_CHUNK = 1 << 17


class Target:
    """The wanted version and those of its nodes' hashes that are known.

    Strong hashes are compared by ``width`` bytes (by default what travels on the wire for a file of
    this length); wider ones are cut, narrower ones refused.
    """

    def __init__(
        self, version: bytes, length: int, base: int | None = None, width: int | None = None
    ) -> None:
        self.version = version
        self.length = length
        self.base = finest_kept(length) if base is None else base
        self.width = strong_width(length) if width is None else width
        self._known: dict[int, Mask] = {}
        self._hashes: dict[int, Hashes] = {}

    def add(self, level: int, window: int, runs: Sequence[tuple[int, int]], hashes: Hashes) -> None:
        """Take the hashes of the nodes ``runs`` of one window of ``level`` (4096 nodes a window).

        ValueError if the version has no such nodes or the columns do not fit them.
        """
        first = window * WINDOW_LEAVES
        count = min(self._count(level) - first, WINDOW_LEAVES)
        if window < 0 or count <= 0:
            raise ValueError(f"level {level} has no window {window}")
        nodes = np.flatnonzero(mask_of(runs, count)) + first
        if len(nodes) != len(hashes):
            raise ValueError(f"{len(hashes)} hashes were given for {len(nodes)} nodes")
        cut = hashes.cut(self.width)
        column = self._column(level)
        column.weak[nodes] = cut.weak
        column.strong[nodes] = cut.strong
        self._known[level][nodes] = True

    def add_level(self, tree: HashTree, level: int) -> None:
        """Take a whole level of the wanted version's own tree; ValueError if it is not kept."""
        if (tree.version, tree.length) != (self.version, self.length):
            raise ValueError("this is the tree of another version")
        self._count(level)
        nodes, column = tree.hashes(level), self._column(level)
        for start in range(0, len(nodes), _CHUNK):
            part = slice(start, start + _CHUNK)
            column.weak[part] = nodes.weak[part]
            column.strong[part] = nodes.strong[part, : self.width]
            tree.rest()
        self._known[level][:] = True

    def known(self, level: int) -> Mask:
        """Which nodes of ``level`` have known hashes."""
        count = self._count(level)
        return self._known[level] if level in self._known else np.zeros(count, dtype=np.bool_)

    def hashes(self, level: int) -> Hashes:
        """One row for each node of ``level``; a row means something only where it is known."""
        return self._column(level)

    def bad_leaves(
        self, window: int, found: WindowHashes, absent: Sequence[tuple[int, int]] = ()
    ) -> Runs:
        """The leaves of one window that are not the wanted ones, as far as is known.

        ``absent`` leaves are bad from the start. From the finest level up, a node that does not
        match blames the bad leaves that were already found under it; if there are none, all its
        leaves but those that a finer match vouches for; and if that leaves none, every leaf.
        """
        if found.length != window_bytes(self.length, window):
            raise ValueError(f"window {window} does not have {found.length} bytes")
        bad = mask_of(absent, node_count(found.length, 0))
        good = np.zeros(len(bad), dtype=np.bool_)
        for level in sorted(self._known):
            if not self.base <= level <= WINDOW_LEVEL:
                continue
            per_node = FANOUT**level
            own = found.level(level)
            first = window * WINDOW_LEAVES // per_node
            known = self._known[level][first : first + len(own)]
            same = own.equal(self._hashes[level][first : first + len(own)])
            good |= np.repeat(known & same, per_node)[: len(bad)]
            blamed = np.logical_or.reduceat(bad, np.arange(0, len(bad), per_node))
            for node in np.flatnonzero(known & ~same & ~blamed).tolist():
                leaves = slice(node * per_node, (node + 1) * per_node)
                suspects = ~good[leaves]
                bad[leaves] = suspects if suspects.any() else True
        return runs_of(bad)

    def _count(self, level: int) -> int:
        if not self.base <= level <= max(self.base, top_level(self.length)):
            raise ValueError(f"a version of {self.length} bytes has no level {level}")
        return node_count(self.length, level)

    def _column(self, level: int) -> Hashes:
        if level not in self._hashes:
            self._hashes[level] = Hashes.blank(self._count(level), self.width)
            self._known[level] = np.zeros(self._count(level), dtype=np.bool_)
        return self._hashes[level]
