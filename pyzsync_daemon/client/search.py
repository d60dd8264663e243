"""The search for old bytes, level by level: the hashes that come say where to look next.

A hashlist costs more the finer it is, so the coarse nodes come first, and finer ones only of what
is still missing. At each level, cheapest first: the stored trees at the same offsets, then moves by
composed sums, neither of which reads a file; then, where much is missing or at the finest level,
the bytes that are still unused are rolled over.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Executor
from typing import Protocol

import numpy as np

from protocol import runs
from protocol.messages import Hashlist, HashQuery
from pyzsync import Blueprint, Hashes, HashTree, Target, compare_same_offset, roll, slide
from pyzsync.grid import (
    PUSH_BUDGET,
    WINDOW_LEAVES,
    node_count,
    push_level,
    strong_width,
)
from pyzsync.runs import mask_of, runs_of
from pyzsync_daemon.client import queries

# Rolling at a coarse level saves the finer hashes of what was inserted or moved by odd bytes, at
# the cost of reading what is unused once more. Measured: docs/design.md, "How many levels".
ROLL_LEVELS = 2  # so many levels above the finest
ROLL_BYTES = 256 * 1024  # that are missing

# Hashes of so few bytes are asked for at once, at the finest level: a round trip costs more.
FEW = PUSH_BUDGET // 2


class Old(Protocol):
    """Old bytes, as ``OldBytes`` has them."""

    @property
    def length(self) -> int:
        """Bytes of all files together."""
        ...

    def trees(self, base: int) -> Iterator[tuple[int, HashTree]]:
        """Where each file begins, and its tree."""
        ...

    def read(self, offset: int, size: int) -> bytes:
        """Old bytes; fewer where a file has shrunk or gone."""
        ...


class Search:
    """Fills ``blueprint`` for ``target`` from ``old``, whose files are open when hashes come.

    The threads of ``cores``, if there are any, share the rolling and read old bytes for it.
    """

    def __init__(
        self, target: Target, blueprint: Blueprint, old: Old, cores: Executor | None = None
    ) -> None:
        self._target = target
        self._blueprint = blueprint
        self._old = old
        self._cores = cores
        self._trees: list[tuple[int, HashTree]] | None = None
        self._rolls = True

    @staticmethod
    def first(version: bytes, length: int, since: bytes) -> tuple[HashQuery, ...]:
        """The hashes to begin with: of the level that the hub pushes, those that differ from the
        version ``since`` (if it is not empty), which is the first old file's."""
        return queries.hashes(version, length, push_level(length), since=since)

    def take(self, hashlists: tuple[Hashlist, ...]) -> tuple[HashQuery, ...]:
        """Use hashes of one level; returns the finer ones to ask for, none when all is searched.

        ``ValueError`` if a hashlist does not fit the file.
        """
        for each in hashlists:
            if not self._add(each):
                return self.first(self._target.version, self._target.length, b"")
        level = hashlists[0].query.level
        self._look(level)
        finer = self._next(level)
        return finer

    def _add(self, hashlist: Hashlist) -> bool:
        """Take one hashlist; False if the version that it was compared with has gone."""
        query, target = hashlist.query, self._target
        listed = runs.decode(query.nodes)
        hashes = Hashes.from_bytes(hashlist.weak, hashlist.strong, hashlist.width)
        if query.since:
            own = self._own(query.since)
            if own is None or not own.has(query.level):
                return False
            count = min(
                node_count(target.length, query.level) - query.window * WINDOW_LEAVES,
                WINDOW_LEAVES,
            )
            same = ~mask_of(listed, max(count, 0))
            nodes = np.flatnonzero(same) + query.window * WINDOW_LEAVES
            if len(nodes) and nodes[-1] >= len(own.hashes(query.level)):
                raise ValueError("nodes are said to be the same that the old version has not")
            target.add(
                query.level, query.window, runs_of(same), own.hashes(query.level).take(nodes)
            )
        target.add(query.level, query.window, listed, hashes)
        return True

    def _own(self, version: bytes) -> HashTree | None:
        for base, tree in self._all():
            if base == 0 and tree.version == version:
                return tree
        return None

    def _all(self) -> list[tuple[int, HashTree]]:
        if self._trees is None:
            self._trees = list(self._old.trees(self._target.base))
        return self._trees

    def _look(self, level: int) -> None:
        target, blueprint = self._target, self._blueprint
        for base, tree in self._all():
            compare_same_offset(blueprint, target, tree, level, base)
        for base, tree in self._all():
            slide(blueprint, target, tree, base, level)
            tree.rest()
        if level == target.base:
            self._trees = None  # 24 bytes a leaf, and no longer needed
        if self._rolls_at(level):
            found = roll(blueprint, target, self._old.read, self._old.length, level, self._cores)
            self._rolls = found > 0

    def _rolls_at(self, level: int) -> bool:
        if level == self._target.base:
            return True
        coarse = level - self._target.base <= ROLL_LEVELS
        return self._rolls and coarse and self._blueprint.missing_bytes >= ROLL_BYTES

    def _next(self, level: int) -> tuple[HashQuery, ...]:
        """The next finer hashes of what is missing: all the finest if they are few."""
        target, blueprint = self._target, self._blueprint
        entry = 4 + strong_width(target.length)
        finest = target.base
        if int(np.count_nonzero(blueprint.unmatched(finest))) * entry > FEW:
            finest = max(finest, level - 1)
        wanted = blueprint.unmatched(finest) & ~target.known(finest)
        if not wanted.any():
            return ()
        return queries.hashes(target.version, target.length, finest, wanted)
