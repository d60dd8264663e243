"""Leaves read from published files and checked against their version's tree.

A published file may change, shrink, or be replaced by anything at any moment, so it is read in
pieces through a descriptor opened beneath the root, never mapped, and no byte is handed out whose
leaf does not match.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from pyzsync.grid import FANOUT, LEAF, WINDOW_LEAVES, node_count, node_size, window_bytes
from pyzsync.runs import Runs, mask_of, runs_of
from pyzsync.tree import HashTree, matching_leaves
from pyzsync_daemon.files.root import Root
from pyzsync_daemon.hub.index import HubIndex
from pyzsync_daemon.tally import Tally

# Paths that once had a version and are searched for what is left of it. Usually there is one; the
# bound is on what a repeated question for bytes that are gone can cost.
FORMER_PATHS = 4


class Piece(NamedTuple):
    """Bytes of consecutive leaves; ``first`` is the first one's index within the window."""

    first: int
    data: memoryview


class LeafReader:
    """Finds asked leaves on disk, from any thread.

    ``on_stale(path)`` is called, on the asking thread, when a file no longer holds what the index
    says of it. ``reads`` counts what was read of published files.
    """

    def __init__(self, root: Root, index: HubIndex, on_stale: Callable[[str], None]) -> None:
        self.reads = Tally()
        self._root = root
        self._index = index
        self._on_stale = on_stale

    def find(self, tree: HashTree, window: int, asked: Runs) -> tuple[list[Piece], Runs]:
        """Return the asked leaves of a window, ascending, and those that are gone everywhere.

        ``asked`` are indices within the window. Raises ``OSError`` when the disk fails.
        """
        version = tree.version
        pieces: list[Piece] = []
        path = self._index.path_of(version)
        if path is not None:
            pieces, asked = self._read(tree, path, window, asked)
            if asked:
                self._on_stale(path)
        if asked:
            # Superseded, or about to be: what did not change is in the newer file, same offsets.
            for former in self._index.paths_once(version)[:FORMER_PATHS]:
                more, asked = self._read(tree, former, window, asked)
                pieces += more
        return sorted(pieces), asked

    def _read(
        self, tree: HashTree, path: str, window: int, asked: Runs
    ) -> tuple[list[Piece], Runs]:
        """The asked leaves that the file at ``path`` holds, and those that it does not."""
        fd = self._open(path) if asked else None
        if fd is None:
            return [], asked
        try:
            return self._check(tree, fd, window, asked)
        finally:
            os.close(fd)

    def _open(self, path: str) -> int | None:
        try:
            # O_NONBLOCK: should a pipe stand there by now, do not wait for its writer.
            fd = self._root.open(path, os.O_RDONLY | os.O_NONBLOCK)
        except OSError as error:
            if _no_file(error):
                return None
            raise
        if stat.S_ISREG(os.fstat(fd).st_mode):
            return fd
        os.close(fd)
        return None

    def _check(self, tree: HashTree, fd: int, window: int, asked: Runs) -> tuple[list[Piece], Runs]:
        size = window_bytes(tree.length, window)
        count = node_count(size, 0)
        holds = np.zeros(count, dtype=np.bool_)
        read: list[Piece] = []
        for start, stop in whole_nodes(asked, FANOUT**tree.base, count):
            first = window * WINDOW_LEAVES + start
            wanted = min(stop * LEAF, size) - start * LEAF
            data = self._pread(fd, wanted, first * LEAF)
            if len(data) < wanted:  # it shrank: only whole nodes can still match
                data = data[: len(data) - len(data) % node_size(tree.base)]
            same = matching_leaves(tree, first, data)
            holds[start : start + len(same)] = same
            read.append(Piece(start, memoryview(data)))
        wanted_leaves = mask_of(asked, count)
        return _cut(read, runs_of(wanted_leaves & holds)), runs_of(wanted_leaves & ~holds)

    def _pread(self, fd: int, size: int, offset: int) -> bytes:
        """Read up to ``size`` bytes; fewer only at the file's end."""
        parts: list[bytes] = []
        left = size
        while left and (part := os.pread(fd, left, offset + size - left)):
            parts.append(part)
            left -= len(part)
        self.reads.add(size - left)
        return parts[0] if len(parts) == 1 else b"".join(parts)


def _no_file(error: OSError) -> bool:
    """Whether this says that the path is no longer a file we may read, and not that we failed."""
    gone = (FileNotFoundError, NotADirectoryError, PermissionError)
    return isinstance(error, gone) or error.errno in (errno.ELOOP, errno.ENXIO)


def whole_nodes(asked: Runs, unit: int, count: int) -> Runs:
    """What to read for the asked leaves of ``count``: whole nodes of ``unit`` leaves."""
    spans: Runs = []
    for start, stop in asked:
        low, high = start // unit * unit, min(-(-stop // unit) * unit, count)
        if spans and low <= spans[-1][1]:
            low = spans.pop()[0]
        spans.append((low, high))
    return spans


def _cut(read: list[Piece], found: Runs) -> list[Piece]:
    """The found leaves' bytes. Both ascend, and each found run lies within one piece: between two
    pieces is always a leaf that was not asked for."""
    pieces: list[Piece] = []
    spans = iter(read)
    span = Piece(0, memoryview(b""))
    for start, stop in found:
        while (start - span.first) * LEAF >= len(span.data):
            span = next(spans)
        low = span.first
        pieces.append(Piece(start, span.data[(start - low) * LEAF : (stop - low) * LEAF]))
    return pieces
