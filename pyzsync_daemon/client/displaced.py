"""What a replacement displaced: the hub's goes to the attic, anything else goes aside.

It lies in staging by now, out of everybody's way, so what is looked at here is what was at the path
in the instant of the replacement, whatever was known of it before.
"""

from __future__ import annotations

import errno
import os

from protocol.messages import Kind
from pyzsync_daemon.client.compare import hash_descriptor, kind_of, may_hide_an_edit
from pyzsync_daemon.client.records import Intent, Record
from pyzsync_daemon.client.replica import Replica
from pyzsync_daemon.files.root import Fingerprint

Seen = dict[str, tuple[Record, Fingerprint]]  # path -> an entry of the hub's, before it was judged


def put_away(replica: Replica, intent: Intent, name: str, prove: bool = False) -> str:
    """Deal with what ``intent`` displaced, now at ``name`` in staging.

    ``prove``: read the file even if its fingerprint is as expected. Returns where it was kept
    aside, relative to the root; empty if it was the hub's. Raises ``OSError``; then it is still
    there.
    """
    status = replica.staging.lstat(name)
    if status is None:
        return ""
    found = Fingerprint.of(status)
    kind = kind_of(found.mode)
    path = intent.change.path
    if intent.staged is not None and found.ino == intent.staged.ino:
        replica.staging.remove(name)  # a second link of the new entry
    elif kind is Kind.DIRECTORY and _removed(replica, name, path):
        pass
    elif not _expected(replica, intent, name, found, prove):
        return replica.conflicts.keep(replica.staging.fd, name, path)
    elif kind is Kind.FILE:
        replica.attic.keep(replica.staging.fd, name, found, intent.displaces, path)
    else:
        replica.staging.remove(name)
    return ""


def _removed(replica: Replica, name: str, path: str) -> bool:
    """Remove a displaced directory if all of it is the hub's."""
    fd = replica.staging.fd
    try:
        seen = _ours(replica, fd, name, path)
    except OSError:
        return False  # what cannot be looked at is kept
    if seen is None:
        return False
    try:
        _dismantle(replica, fd, name, path, seen)
    except OSError as error:
        if error.errno != errno.ENOTEMPTY:
            raise
        return False  # something came into it in the last instant
    return True


def all_ours(replica: Replica, path: str) -> bool:
    """Whether the directory at ``path`` holds nothing but what the hub gave."""
    with replica.root.parent(path) as (fd, name):
        return _ours(replica, fd, name, path) is not None


def _expected(replica: Replica, intent: Intent, name: str, found: Fingerprint, prove: bool) -> bool:
    """Whether this is the hub's entry that was seen at the path before."""
    expected = intent.expected
    if not intent.ours or expected is None or not found.same_content(expected):
        return False
    kind = kind_of(found.mode)
    if kind is not Kind.FILE:
        return kind is Kind.SYMLINK
    doubtful = prove or may_hide_an_edit(expected.mtime_ns, replica.clock())
    return not doubtful or version_at(replica.staging.fd, name) == intent.displaces


def version_at(fd: int, name: str) -> bytes:
    """The version of a file, empty if it cannot be read."""
    try:
        opened = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=fd)
    except PermissionError:
        return b""
    try:
        tree = hash_descriptor(opened, os.fstat(opened).st_size)
    finally:
        os.close(opened)
    return tree.version if tree is not None else b""


def _ours(replica: Replica, fd: int, name: str, path: str) -> Seen | None:
    """What a directory (once at ``path``) holds, if it is only recorded entries, as recorded."""
    records = {record.change.path: record for record in replica.index.beneath(path)}
    seen: Seen = {}
    return seen if _only(records, fd, name, path, seen) else None


def _only(records: dict[str, Record], fd: int, name: str, path: str, seen: Seen) -> bool:
    inner = _open_directory(fd, name)
    try:
        with os.scandir(inner) as entries:
            for entry in entries:
                below = f"{path}/{entry.name}"
                record = records.get(below)
                found = Fingerprint.of(entry.stat(follow_symlinks=False))
                if record is None or kind_of(found.mode) is not record.change.kind:
                    return False
                if record.change.kind is Kind.DIRECTORY:
                    if not _only(records, inner, entry.name, below, seen):
                        return False
                elif found != record.fingerprint and not _same(record, inner, entry.name):
                    return False
                seen[below] = record, found
        return True
    finally:
        os.close(inner)


def _same(record: Record, fd: int, name: str) -> bool:
    if record.change.kind is Kind.SYMLINK:
        return os.readlink(name, dir_fd=fd) == record.change.target
    return version_at(fd, name) == record.change.version


def _dismantle(replica: Replica, fd: int, name: str, path: str, seen: Seen) -> None:
    """Remove a directory of the hub's; its files go to the attic. ENOTEMPTY if others are in it."""
    inner = _open_directory(fd, name)
    try:
        for each in os.listdir(inner):
            below = f"{path}/{each}"
            if below not in seen:
                continue
            record, found = seen[below]
            match record.change.kind:
                case Kind.DIRECTORY:
                    _dismantle(replica, inner, each, below, seen)
                case Kind.FILE:
                    replica.attic.keep(inner, each, found, record.change.version, below)
                case _:
                    os.unlink(each, dir_fd=inner)
    finally:
        os.close(inner)
    os.rmdir(name, dir_fd=fd)


def _open_directory(fd: int, name: str) -> int:
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
    return os.open(name, flags, dir_fd=fd)
