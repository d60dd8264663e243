"""What is at a path, compared with what the hub gave."""

from __future__ import annotations

import os
import stat
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from functools import partial

from protocol.messages import Change, Kind
from pyzsync import HashTree, ShortRead
from pyzsync.parallel import hash_pieces
from pyzsync_daemon.client.records import Record
from pyzsync_daemon.client.replica import Replica
from pyzsync_daemon.client.staging import PERMISSIONS
from pyzsync_daemon.files.fully import read_fully
from pyzsync_daemon.files.root import Fingerprint

# An edit within one tick of the file system's clock leaves the times as they were. The coarsest
# file systems in use (FAT) count in two seconds.
SETTLE_NS = 2_000_000_000
_TICK_NS = 20_000_000  # of file systems that count in nanoseconds, by a clock that does not


@dataclass(frozen=True, slots=True)
class Local:
    """What is at a path. ``fingerprint`` None: nothing.

    ``ours``: its content is what the hub gave (or a directory, which has none). ``version``: a
    regular file's, empty if it could not be read or did not hold still.
    """

    fingerprint: Fingerprint | None = None
    ours: bool = False
    version: bytes = b""

    def is_a(self, kind: Kind) -> bool:
        """Whether an entry of this kind is there."""
        return self.fingerprint is not None and kind_of(self.fingerprint.mode) is kind


NOTHING = Local()


def kind_of(mode: int) -> Kind | None:
    """The kind that a ``st_mode`` means; None: a device, a pipe or a socket."""
    return _KINDS.get(stat.S_IFMT(mode))


_KINDS = {stat.S_IFREG: Kind.FILE, stat.S_IFDIR: Kind.DIRECTORY, stat.S_IFLNK: Kind.SYMLINK}


def examine(replica: Replica, path: str, record: Record | None) -> Local:
    """Look at a path; a file is read only if its fingerprint does not agree with the record's."""
    status = replica.root.lstat(path)
    if status is None:
        return NOTHING
    found = Fingerprint.of(status)
    given = record.change if record is not None else None
    kind = kind_of(found.mode)
    if kind is Kind.DIRECTORY:
        return Local(found, ours=given is not None and given.kind is kind)
    if kind is Kind.SYMLINK:
        return Local(found, ours=given is not None and _same_target(replica, path, given))
    if kind is not Kind.FILE:
        return Local(found)
    if record is not None and record.change.kind is kind and record.fingerprint == found:
        return Local(found, ours=True, version=record.change.version)
    hashed = hash_file(replica, path)
    if hashed is None:
        return Local(found)
    found, tree = hashed
    version = tree.version
    if tree.length >= replica.settings.tree_bytes:
        replica.trees.save(tree)
    return Local(found, given is not None and given.version == version, version)


def hash_file(replica: Replica, path: str) -> tuple[Fingerprint, HashTree] | None:
    """A regular file's fingerprint and tree; None if it cannot be read or changes meanwhile."""
    try:
        fd = replica.root.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return None
    try:
        before = Fingerprint.of(os.fstat(fd))
        is_file = stat.S_ISREG(before.mode)
        tree = hash_descriptor(fd, before.size, replica.cores) if is_file else None
        unchanged = Fingerprint.of(os.fstat(fd)) == before
        return (before, tree) if tree is not None and unchanged else None
    finally:
        os.close(fd)


def hash_descriptor(
    fd: int, length: int, cores: Executor | None = None, base: int | None = None
) -> HashTree | None:
    """The tree of an open file; None if it has not ``length`` bytes."""
    try:
        return hash_pieces(partial(read_fully, fd), length, cores, base)
    except ShortRead:
        return None


def proven(fingerprint: Fingerprint, now_ns: int) -> Fingerprint:
    """The fingerprint, if it is old enough to tell of every later edit; else one that never agrees.

    A record with the latter makes the next look read the file.
    """
    newest = max(fingerprint.mtime_ns, fingerprint.ctime_ns)
    return fingerprint if newest + SETTLE_NS < now_ns else unproven(fingerprint)


def may_hide_an_edit(mtime_ns: int, now_ns: int) -> bool:
    """Whether a write at ``now_ns`` may have left a file with this mtime."""
    whole_seconds = mtime_ns % 1_000_000_000 == 0
    return mtime_ns + (SETTLE_NS if whole_seconds else _TICK_NS) > now_ns


def unproven(fingerprint: Fingerprint) -> Fingerprint:
    """A fingerprint that no file has: its content has to be read again."""
    return replace(fingerprint, ctime_ns=0)


def same_metadata(change: Change, fingerprint: Fingerprint) -> bool:
    """Whether mode (of what has one) and mtime are as the hub has them."""
    mode = stat.S_IMODE(fingerprint.mode)
    same_mode = change.kind is Kind.SYMLINK or mode == change.mode & PERMISSIONS
    return same_mode and fingerprint.mtime_ns == change.mtime_ns


def _same_target(replica: Replica, path: str, given: Change) -> bool:
    try:
        return given.kind is Kind.SYMLINK and replica.root.readlink(path) == given.target
    except OSError:  # replaced since it was looked at: then it is not ours
        return False
