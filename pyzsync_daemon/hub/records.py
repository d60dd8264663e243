"""What the hub remembers of a path, and its form in SQLite."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from os import fsdecode, fsencode
from typing import Any

from blake3 import blake3

from protocol.messages import Change, Flag, Kind, Position
from pyzsync_daemon.files.root import Fingerprint

SCHEMA = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
-- The announcement log: one row a path, under the seq of its last change. ABSENT is a tombstone.
CREATE TABLE entries (
    path BLOB PRIMARY KEY, parent BLOB NOT NULL, kind INTEGER NOT NULL, mode INTEGER NOT NULL,
    mtime_ns INTEGER NOT NULL, size INTEGER NOT NULL, version BLOB NOT NULL, target BLOB NOT NULL,
    follows BLOB NOT NULL, flags INTEGER NOT NULL, seq INTEGER NOT NULL UNIQUE,
    fingerprint BLOB, racy INTEGER NOT NULL);
CREATE INDEX entries_by_parent ON entries (parent) WHERE kind != 0;
CREATE INDEX entries_by_version ON entries (version) WHERE kind = 1;
CREATE INDEX tombstones_by_seq ON entries (seq) WHERE kind = 0;
-- Where batches ended. `batch` counts them, so that the oldest are found without a search.
CREATE TABLE heads (batch INTEGER PRIMARY KEY, seq INTEGER NOT NULL UNIQUE, head BLOB NOT NULL);
-- Versions that a path had before its present one.
CREATE TABLE history (
    path BLOB NOT NULL, version BLOB NOT NULL, seq INTEGER NOT NULL, PRIMARY KEY (path, version)
) WITHOUT ROWID;
CREATE INDEX history_by_seq ON history (seq);
CREATE INDEX history_by_version ON history (version);
"""
SCHEMA_VERSION = 1

COLUMNS = (
    "path, kind, mode, mtime_ns, size, version, target, follows, flags, seq, fingerprint, racy"
)

_FIXED = struct.Struct("<QBIqQBIIII")


@dataclass(frozen=True, slots=True)
class Record:
    """An entry and the evidence for it.

    ``fingerprint`` is what ``lstat`` said when the content was read. ``racy``: an edit right after
    may have left the same fingerprint, so the next scan does not rely on it.
    """

    change: Change
    fingerprint: Fingerprint | None = None
    racy: bool = False


@dataclass(frozen=True, slots=True)
class Batch:
    """What one commit added to the log; no changes if nothing differed from what was known."""

    changes: tuple[Change, ...]
    position: Position
    previous: Position


def to_row(record: Record) -> tuple[Any, ...]:
    """A row in the order of ``COLUMNS``, and the parent's path after it."""
    change = record.change
    path = fsencode(change.path)
    return (
        path,
        int(change.kind),
        change.mode,
        change.mtime_ns,
        change.size,
        change.version,
        fsencode(change.target),
        change.follows,
        int(change.flags),
        change.seq,
        record.fingerprint and record.fingerprint.pack(),
        record.racy,
        path.rpartition(b"/")[0],
    )


def to_record(row: Sequence[Any]) -> Record:
    """The record of a row of ``COLUMNS``."""
    path, kind, mode, mtime_ns, size, version, target, follows, flags, seq, print_, racy = row
    change = Change(
        seq,
        fsdecode(path),
        Kind(kind),
        mode,
        mtime_ns,
        size,
        version,
        fsdecode(target),
        follows,
        Flag(flags),
    )
    fingerprint = Fingerprint.unpack(print_) if print_ is not None else None
    return Record(change, fingerprint, bool(racy))


def same_entry(a: Change, b: Change) -> bool:
    """Whether a client that has ``a`` has ``b`` too."""
    return (
        a.version == b.version
        and a.mtime_ns == b.mtime_ns
        and a.mode == b.mode
        and a.kind == b.kind
        and a.size == b.size
        and a.target == b.target
        and a.flags == b.flags
    )


def chain(head: bytes, changes: Sequence[Change]) -> bytes:
    """The head after ``changes``: BLAKE3 over the head before and every field of every change.

    The form is this file's own: heads are compared, never recomputed, so a new wire format does
    not make old positions worthless.
    """
    hasher = blake3(head)
    for change in changes:
        texts = (fsencode(change.path), change.version, fsencode(change.target), change.follows)
        numbers = (change.seq, change.kind, change.mode, change.mtime_ns, change.size, change.flags)
        hasher.update(_FIXED.pack(*numbers, *map(len, texts)) + b"".join(texts))
    return hasher.digest()
