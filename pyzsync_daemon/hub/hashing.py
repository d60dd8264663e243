"""Reading a file's entry and its hash tree while others may be writing to it."""

from __future__ import annotations

import errno
import os
import stat
import time
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass

from protocol.messages import Change, Kind
from pyzsync.errors import ShortRead
from pyzsync.parallel import hash_pieces
from pyzsync.tree import HashTree
from pyzsync_daemon.files.fully import read_fully
from pyzsync_daemon.files.root import Fingerprint, Root
from pyzsync_daemon.files.trees import TreeStore
from pyzsync_daemon.hub.observed import Observed, describe
from pyzsync_daemon.hub.records import Record

_COARSE_CLOCK = 5  # CLOCK_REALTIME_COARSE: times on disk are taken from it

TICK_NS = 2 * round(time.clock_getres(_COARSE_CLOCK) * 1e9)
"""Times on disk may lag behind the clock by a tick of the kernel (4 or 10 ms, as it was built): of
an inode changed more recently than two of them, a second change may have left no trace."""


@dataclass(frozen=True, slots=True)
class Unsettled:
    """The path changed while it was read: it has to be scanned again."""

    path: str


@dataclass(frozen=True, slots=True)
class Unreadable:
    """The system refused: nothing changes before somebody does something. ``reason`` in words."""

    path: str
    reason: str


def read_entry(
    root: Root,
    observed: Observed,
    store: TreeStore,
    *,
    step: Callable[[], None] = lambda: None,
    clock: Callable[[], int] = time.time_ns,
    cores: Executor | None = None,
) -> Record | Unsettled | Unreadable:
    """What is to be published of ``observed`` now; a file's tree is then in ``store``.

    ``step`` is called after each window that was read, and may raise to give up; in the threads of
    ``cores``, if they share the work. A file that changed while it was read is unsettled, however
    small the change. Raises ``OSError`` when the store cannot take the tree.
    """
    path = observed.path
    try:
        if observed.kind is not Kind.FILE or observed.version:
            return _examine(root, observed, clock)
        now = clock()
        status, tree = _hash(root, path, step, cores)
    except (FileNotFoundError, NotADirectoryError, ShortRead, _Moved):
        return Unsettled(path)
    except OSError as error:
        # ELOOP: a symlink took the file's place.
        if error.errno == errno.ELOOP:
            return Unsettled(path)
        return Unreadable(path, f"cannot be read: {error.strerror}")
    # Out of the way of the errors above: what the store raises says nothing of the file.
    version = store.save(tree)
    return _record(describe(path, status, version), Fingerprint.of(status), now)


def seconds_racy(fingerprint: Fingerprint) -> float:
    """How long to wait until a file can be hashed so that later changes are sure to show."""
    left = fingerprint.ctime_ns + TICK_NS - time.time_ns()
    return min(max(0, left), TICK_NS) / 1e9  # a clock that was set back must not stop us


def _examine(root: Root, observed: Observed, clock: Callable[[], int]) -> Record | Unsettled:
    """A directory, a symlink, or a file whose version is known by its unchanged inode."""
    path, now = observed.path, clock()
    status = root.lstat(path)
    if status is None or stat.S_IFMT(status.st_mode) != stat.S_IFMT(observed.fingerprint.mode):
        return Unsettled(path)
    fingerprint = Fingerprint.of(status)
    if observed.kind is Kind.DIRECTORY:
        return Record(describe(path, status), fingerprint)
    if observed.kind is Kind.SYMLINK:
        try:
            target = root.readlink(path)
        except OSError as error:
            if error.errno == errno.EINVAL:  # it is no symlink any more
                return Unsettled(path)
            raise
        return _record(describe(path, status, target=target), fingerprint, now)
    if fingerprint != observed.fingerprint:
        return Unsettled(path)
    return _record(describe(path, status, observed.version), fingerprint, now)


def _hash(
    root: Root, path: str, step: Callable[[], None], cores: Executor | None
) -> tuple[os.stat_result, HashTree]:
    # Without O_NONBLOCK, opening a pipe that took the file's place would wait for a writer.
    fd = root.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode):
            raise _Moved
        return status, _tree_of(fd, Fingerprint.of(status), step, cores)
    finally:
        os.close(fd)


def _tree_of(
    fd: int, before: Fingerprint, step: Callable[[], None], cores: Executor | None
) -> HashTree:
    """The tree of an open file; ``_Moved`` or ``ShortRead`` as soon as it is seen to change."""

    def read(offset: int, size: int) -> bytes:
        data = read_fully(fd, offset, size)
        step()
        # After each window and the end: to hash on for minutes would be in vain.
        if Fingerprint.of(os.fstat(fd)) != before:
            raise _Moved
        return data

    return hash_pieces(read, before.size, cores)


class _Moved(Exception):
    """The file changed between two reads."""


def _record(change: Change, fingerprint: Fingerprint, now: int) -> Record:
    return Record(change, fingerprint, racy=fingerprint.ctime_ns + TICK_NS >= now)
