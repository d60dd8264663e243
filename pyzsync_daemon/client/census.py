"""The whole tree against the whole index: what a snapshot left out, and what the disk has lost."""

from __future__ import annotations

import os
from collections.abc import Iterator, Set
from itertools import groupby

from protocol.messages import Change, Kind
from pyzsync_daemon.client.compare import examine, kind_of, proven, same_metadata
from pyzsync_daemon.client.folders import parent_of
from pyzsync_daemon.client.records import Record
from pyzsync_daemon.client.replica import Replica
from pyzsync_daemon.client.staging import HOME
from pyzsync_daemon.files.root import Fingerprint


def left_out(replica: Replica, named: Set[str]) -> list[Change]:
    """Deletions of the recorded paths that a snapshot did not name."""
    return [_deletion(path) for path in replica.index.paths() if path not in named]


def differing(replica: Replica, skip: Set[str]) -> list[Change]:
    """The recorded changes that the disk no longer shows, but for the paths in ``skip``.

    Files whose fingerprint has moved are read; those whose content is right are recorded anew.
    """
    changes, seen = [], []
    for record, found in _look(replica):
        path = record.change.path
        if path in skip:
            continue
        if found is not None and _as_recorded(record, found):
            continue
        try:
            local = examine(replica, path, record)
        except OSError:
            changes.append(record.change)  # doing it again says what is wrong
            continue
        if local.fingerprint is not None and local.ours and _dressed(record, local.fingerprint):
            seen.append((record, proven(local.fingerprint, replica.clock())))
        else:
            changes.append(record.change)
    replica.index.refresh(seen)
    return changes


def foreign(replica: Replica, named: Set[str]) -> list[Change]:
    """Deletions of everything that the hub never published and did not name: for mirror mode.

    Of a directory that is foreign as a whole only the directory is listed.
    """
    known = set(replica.index.paths()) | named
    for path in list(known):
        while (path := parent_of(path)) and path not in known:
            known.add(path)
    return [_deletion(path) for path in _unknown(replica, "", known)]


def _deletion(path: str) -> Change:
    return Change(seq=0, path=path, kind=Kind.ABSENT)


def _look(replica: Replica) -> Iterator[tuple[Record, Fingerprint | None]]:
    """Every record and what is at its path, one directory at a time."""
    for parent, group in groupby(replica.index.records(), lambda each: parent_of(each.change.path)):
        records = list(group)
        try:
            with replica.root.directory(parent) as fd:
                found = [_fingerprint(fd, record) for record in records]
        except OSError:  # gone, or closed to us: ``examine`` tells
            found = [None] * len(records)
        yield from zip(records, found, strict=True)


def _fingerprint(fd: int, record: Record) -> Fingerprint | None:
    name = record.change.path.rpartition("/")[2]
    try:
        return Fingerprint.of(os.stat(name, dir_fd=fd, follow_symlinks=False))
    except OSError:
        return None


def _as_recorded(record: Record, found: Fingerprint) -> bool:
    if record.change.kind is Kind.DIRECTORY:
        return kind_of(found.mode) is Kind.DIRECTORY and _dressed(record, found)
    return found == record.fingerprint


def _dressed(record: Record, found: Fingerprint) -> bool:
    """Mode and mtime; a directory's mtime moves with every local file in it and says nothing."""
    if record.change.kind is Kind.DIRECTORY:
        return found.mode == record.fingerprint.mode
    return same_metadata(record.change, found) or (
        found.mode == record.fingerprint.mode and found.mtime_ns == record.fingerprint.mtime_ns
    )


def _unknown(replica: Replica, folder: str, known: Set[str]) -> Iterator[str]:
    try:
        with replica.root.directory(folder) as fd, os.scandir(fd) as scan:
            entries = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in scan]
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return  # gone, or closed to us: nothing in it is in anybody's way
    for name, is_directory in entries:
        path = f"{folder}/{name}" if folder else name
        if path == HOME:
            continue
        if path not in known:
            yield path
        elif is_directory:
            yield from _unknown(replica, path, known)
