"""What the disk says of a path that is to be published."""

from __future__ import annotations

import os
import stat
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from protocol.messages import Change, Flag, Kind
from pyzsync_daemon.files.root import Fingerprint
from pyzsync_daemon.hub.records import Record

_KINDS = {stat.S_IFREG: Kind.FILE, stat.S_IFDIR: Kind.DIRECTORY, stat.S_IFLNK: Kind.SYMLINK}
_BLOCK = 512  # the unit of st_blocks, whatever the file system's


@dataclass(frozen=True, slots=True)
class Observed:
    """A path that differs from the index, as ``lstat`` saw it.

    ``version``: known without hashing, because the very same inode was published under another
    path. ``moved_from``: a file that is gone and had this inode, size and mtime.
    """

    path: str
    kind: Kind
    fingerprint: Fingerprint
    version: bytes = b""
    moved_from: str = ""


def kind_of(status: os.stat_result) -> Kind | None:
    """The kind of an entry; None for what is never published (devices, pipes, sockets)."""
    return _KINDS.get(stat.S_IFMT(status.st_mode))


def describe(path: str, status: os.stat_result, version: bytes = b"", target: str = "") -> Change:
    """The change that publishes ``path``, yet without a seq."""
    kind = _KINDS[stat.S_IFMT(status.st_mode)]
    common = Change(0, path, kind, status.st_mode & 0o777, status.st_mtime_ns)
    if kind is not Kind.FILE:
        return replace(common, target=target)
    holes = status.st_blocks * _BLOCK < status.st_size
    flags = Flag.SPARSE if holes else Flag.NONE
    return replace(common, size=status.st_size, version=version, flags=flags)


def count_moved(changed: Iterable[Observed], removed: Iterable[Record]) -> int:
    """How many of ``removed`` are at another path now: same inode, kind, size and mtime."""
    before = Counter(_content(record.fingerprint) for record in removed if record.fingerprint)
    return (before & Counter(_content(observed.fingerprint) for observed in changed)).total()


def _content(seen: Fingerprint) -> tuple[int, int, int, int]:
    return seen.ino, seen.size, seen.mtime_ns, stat.S_IFMT(seen.mode)


def with_origins(
    changed: Iterable[Observed], removed: Iterable[Record], has_tree: Callable[[bytes], bool]
) -> Iterable[Observed]:
    """Tell of files where they were before, when their inode was published under a path now gone.

    Moving a directory leaves the files in it alone, ctime included: nothing needs to be hashed.
    Moving a file moves its ctime, so it is hashed; but its old name can wait for the new one.
    """
    files = [record for record in removed if record.change.kind is Kind.FILE]
    by_inode = {record.fingerprint.ino: record for record in files if record.fingerprint}
    for observed in changed:
        record = by_inode.get(observed.fingerprint.ino) if observed.kind is Kind.FILE else None
        if record is not None and record.fingerprint is not None:
            same = record.fingerprint == observed.fingerprint and not record.racy
            if same and has_tree(record.change.version):
                observed = replace(observed, version=record.change.version)
            if record.fingerprint.same_content(observed.fingerprint):
                observed = replace(observed, moved_from=record.change.path)
        yield observed
