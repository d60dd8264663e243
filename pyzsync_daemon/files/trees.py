"""Hash trees on disk: one immutable packed file a version, mapped when it is read."""

from __future__ import annotations

import mmap
import threading
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence, Set
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from pyzsync.errors import TreeFormatError
from pyzsync.pack import open_tree, write_tree
from pyzsync.tree import Columns, HashTree, MemoryColumns
from pyzsync_daemon.files.scratch import ScratchColumns

LARGE = 1 << 19
"""Nodes of a tree that is not built in memory: that of a file of 200 MB. Below, opening a file for
each tree under way would cost more than the 12 MB."""

OPEN_TREES = 256
"""Trees kept open: more than the files that are being fetched at any one time."""


class TreeStore:
    """The trees in ``directory``, which is made if need be. Any thread may use it.

    Nothing is synced: a tree can be made again from its file, and every packed tree carries a
    checksum, so what a power loss leaves half written is found when it is opened, and dropped.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        directory.mkdir(parents=True, exist_ok=True)
        for staged in directory.glob("??/*.*"):
            staged.unlink()  # left by a process that was killed; a directory has one user
        self._lock = threading.Lock()
        self._open: OrderedDict[bytes, HashTree] = OrderedDict()
        self._fresh: set[bytes] = set()

    def save(self, tree: HashTree) -> bytes:
        """Keep the tree; returns its version."""
        version = tree.version
        path = self._path(version)
        with self._lock:
            self._fresh.add(version)
        if path.exists():
            return version
        path.parent.mkdir(parents=True, exist_ok=True)  # all of it may have been deleted meanwhile
        # Named after the thread: two may save the same version, and either result is right.
        staged = path.with_suffix(f".{threading.get_ident()}")
        try:
            with staged.open("wb") as file:
                write_tree(tree, file.write)
            staged.replace(path)
        except BaseException:
            staged.unlink(missing_ok=True)
            raise
        return version

    def columns(self, counts: Sequence[int]) -> Columns:
        """Where to keep the columns of a tree that is built. ``OSError`` if the disk says no.

        Those of a large one stay out of memory: 62 MB of a GB of file.
        """
        return (
            MemoryColumns(counts) if sum(counts) < LARGE else ScratchColumns(self.directory, counts)
        )

    def load(self, version: bytes) -> HashTree | None:
        """The tree of ``version``, as views over its mapped file; None if there is no good one."""
        with self._lock:
            tree = self._open.get(version)
            if tree is not None:
                self._open.move_to_end(version)
                return tree
        try:
            tree = _map(self._path(version))
        except FileNotFoundError:
            return None
        except TreeFormatError:
            tree = None
        if tree is None or tree.version != version:
            self.drop(version)
            return None
        with self._lock:
            self._open[version] = tree
            while len(self._open) > OPEN_TREES:
                self._open.popitem(last=False)  # its map closes with the last view of it
        return tree

    def drop(self, version: bytes) -> None:
        """Forget the tree of ``version``; who has loaded it may go on using it."""
        with self._lock:
            self._fresh.discard(version)
            self._remove(version)

    def versions(self) -> Iterator[bytes]:
        """The versions whose trees are on disk, in no order."""
        for path in self.directory.glob("??/*"):
            if not path.suffix:
                yield bytes.fromhex(path.parent.name + path.name)

    def collect(self, keep: Set[bytes], also: Iterable[bytes] = (), also_bytes: int = 0) -> int:
        """Drop the trees that are not in ``keep``, but for the first of ``also`` that take
        ``also_bytes`` on disk; returns how many.

        What was saved since the last call stays once more: whoever saved it may not yet have put
        its version where ``keep`` comes from.
        """
        with self._lock:
            fresh, self._fresh = self._fresh, set()
        kept = keep | fresh | self._within(also, also_bytes)
        unwanted = [version for version in self.versions() if version not in kept]
        dropped = 0
        for version in unwanted:
            with self._lock:
                if version not in self._fresh:  # it may have been saved once more meanwhile
                    self._remove(version)
                    dropped += 1
        return dropped

    def _remove(self, version: bytes) -> None:
        """With the lock held: who saves the same tree then finds it gone, and writes it."""
        self._open.pop(version, None)
        self._path(version).unlink(missing_ok=True)

    def _within(self, versions: Iterable[bytes], room: int) -> set[bytes]:
        """The first of some versions whose trees have room in so many bytes."""
        within: set[bytes] = set()
        for version in versions:
            with suppress(FileNotFoundError):
                room -= self._path(version).stat().st_size
                if room < 0:
                    break
                within.add(version)
        return within

    def _path(self, version: bytes) -> Path:
        name = version.hex()
        return self.directory / name[:2] / name[2:]  # 256 directories: none grows too large


def _map(path: Path) -> HashTree:
    """The packed tree in ``path``; FileNotFoundError or TreeFormatError.

    Its pages that are not in use are the page cache's, and come back without a read of the disk.
    """
    with path.open("rb") as file:
        if not path.stat().st_size:
            raise TreeFormatError("it is empty")  # and cannot be mapped
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    tree = open_tree(mapped)
    tree = replace(tree, rest=lambda: mapped.madvise(mmap.MADV_DONTNEED))
    tree.rest()  # all of it was read for its checksum
    return tree
