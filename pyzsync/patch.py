"""Making the new file: copies from old bytes and received leaves, staged and checked by window."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from pyzsync.blueprint import Blueprint, Copy
from pyzsync.errors import VersionMismatch
from pyzsync.grid import FANOUT, LEAF, WINDOW, node_count, window_bytes
from pyzsync.hashes import hash_window
from pyzsync.runs import Mask, Runs, mask_of, runs_of
from pyzsync.target import Target
from pyzsync.tree import Columns, HashTree, MemoryColumns, TreeBuilder

Read = Callable[[int, int], bytes]

DIRECT = 128 * 1024
"""Copies from here on go to staging directly, so that a file system may share the blocks."""


class Patch:
    """One version being made in a staging file of its full length.

    Nothing that was written is believed: ``check`` reads a window back and hashes it, and only
    windows that passed count. ``read_old`` and ``read`` take (offset, size) and may return fewer
    bytes, where a file has shrunk; ``write`` takes (offset, bytes) and may leave holes for zeros.
    ``copy`` (source, offset, size), if there is one, stages long copies without bringing them here
    and returns how many bytes there were. ``columns`` is where the tree is kept as it grows.
    """

    def __init__(
        self,
        target: Target,
        blueprint: Blueprint,
        read_old: Read,
        read: Read,
        write: Callable[[int, bytes], object],
        copy: Callable[[int, int, int], int] | None = None,
        columns: Callable[[Sequence[int]], Columns] = MemoryColumns,
    ) -> None:
        if (target.length, target.base) != (blueprint.length, blueprint.base):
            raise ValueError("target and blueprint are of different files")
        self.target = target
        self.blueprint = blueprint
        self._read_old = read_old
        self._read = read
        self._write = write
        self._direct = copy
        self._builder = TreeBuilder(target.length, target.base, columns)
        self._staged: Mask = np.zeros(len(blueprint.source), dtype=np.bool_)

    @property
    def complete(self) -> bool:
        """Have all windows passed their check?"""
        return self._builder.complete

    def copy(self, window: int) -> None:
        """Stage what old bytes give of one window and what is not staged yet."""
        staged = self._staged[self.blueprint.nodes(window)]
        for copy in self.blueprint.copies(window, staged):
            self._copy(window, copy)

    def put(self, window: int, leaves: Sequence[tuple[int, int]], data: bytes) -> None:
        """Stage received leaves of one window, in ascending order in ``data``.

        ValueError if the window has no such leaves or they are not as long as ``data``. A base node
        is staged once one call brings all its leaves.
        """
        size = window_bytes(self.target.length, window)
        mask = mask_of(leaves, node_count(size, 0))
        spans = [(start * LEAF, min(stop * LEAF, size)) for start, stop in leaves]
        if len(data) != sum(stop - start for start, stop in spans):
            raise ValueError(f"{len(data)} bytes are not the length of the leaves {leaves}")
        at = 0
        for start, stop in spans:
            self._write(window * WINDOW + start, data[at : at + stop - start])
            at += stop - start
        brought = np.logical_and.reduceat(mask, self._firsts(size))
        self._staged[self.blueprint.nodes(window)] |= brought
        self._builder.drop(window)

    def check(self, window: int) -> Runs:
        """Hash one window from the staged bytes; the leaves that are wrong or absent, if any.

        Wrong ones are forgotten by the blueprint and have to be fetched. With none left the window
        is done. A window may be checked again, when more hashes are known.
        """
        size = window_bytes(self.target.length, window)
        staged = self._staged[self.blueprint.nodes(window)]
        self._builder.drop(window)
        if not staged.any():
            return self._absent(staged, size)
        data = self._read(window * WINDOW, size)
        if len(data) < size:
            staged[len(data) // self.blueprint.unit :] = False
        hashes = hash_window(data.ljust(size, b"\0"), self.target.base)
        bad = self.target.bad_leaves(window, hashes, self._absent(staged, size))
        if not bad:
            self._builder.put(window, hashes)
            return []
        wrong = np.logical_or.reduceat(mask_of(bad, node_count(size, 0)), self._firsts(size))
        self.blueprint.forget(window, self._absent(~(wrong & staged), size))
        staged &= ~wrong
        return self._absent(staged, size)

    def finish(self) -> HashTree:
        """The tree of the whole file, verified.

        MissingBlocks if a window is not done. VersionMismatch if all windows passed and the whole
        is still wrong (a block was matched by chance, or too few hashes were known): then no window
        is done any more; add hashes to the target and check every window again.
        """
        tree = self._builder.finish()
        if tree.version != self.target.version:
            self._builder.drop_all()
            raise VersionMismatch(self.target.version, tree.version)
        return tree

    def _copy(self, window: int, copy: Copy) -> None:
        unit = self.blueprint.unit
        size = self._stage(copy)
        first, end = copy.offset // unit, copy.offset + copy.length * copy.times
        done = copy.offset + size * copy.times
        self._staged[first : -(-done // unit)] = True
        if done < end:
            lost = (done - window * WINDOW) // LEAF, -(-(end - window * WINDOW) // LEAF)
            self.blueprint.forget(window, [lost])

    def _stage(self, copy: Copy) -> int:
        """Stage what the old file has of a copy; returns how many bytes it had for each time."""
        if self._direct is not None and copy.length >= DIRECT and copy.times == 1:
            return self._whole(copy, self._direct(copy.source, copy.offset, copy.length))
        data = self._read_old(copy.source, copy.length)
        data = data[: self._whole(copy, len(data))]
        if data:
            self._write(copy.offset, data * copy.times)
        return len(data)

    def _whole(self, copy: Copy, size: int) -> int:
        """Where the old file has shrunk, whole nodes of it are still good."""
        return size if size == copy.length else size // self.blueprint.unit * self.blueprint.unit

    def _absent(self, staged: Mask, size: int) -> Runs:
        """The leaves of the base nodes of a window of ``size`` bytes that are not in ``staged``."""
        return runs_of(np.repeat(~staged, FANOUT**self.target.base)[: node_count(size, 0)])

    def _firsts(self, size: int) -> NDArray[np.int64]:
        """The first leaf of each base node in a window of ``size`` bytes."""
        return np.arange(0, node_count(size, 0), FANOUT**self.target.base)
