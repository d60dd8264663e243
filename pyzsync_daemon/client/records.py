"""What the replica's database keeps of a path, and how a change becomes a row of it."""

from __future__ import annotations

import os
import sqlite3
from dataclasses import dataclass

from protocol.messages import Change, Flag, Kind
from pyzsync_daemon.files.root import Fingerprint

CHANGE = "path, seq, kind, mode, mtime_ns, size, version, target, flags"


@dataclass(frozen=True, slots=True)
class Record:
    """An entry as the hub gave it, and the fingerprint it had on disk then."""

    change: Change
    fingerprint: Fingerprint


@dataclass(frozen=True, slots=True)
class Intent:
    """One replacement (or deletion) that is about to happen.

    ``name`` is its name in staging: before, the new entry's; afterwards, that of what it
    displaced. ``staged`` is the new entry (None: a deletion), ``expected`` what is thought to be
    at the path (None: nothing). With ``ours`` that is the hub's and may be let go (``displaces``
    is its version, if it is a file); otherwise it goes aside.
    """

    change: Change
    name: str
    staged: Fingerprint | None
    expected: Fingerprint | None
    ours: bool
    displaces: bytes


def to_row(change: Change) -> tuple[object, ...]:
    """The columns ``CHANGE`` of a change."""
    return (
        os.fsencode(change.path),
        change.seq,
        int(change.kind),
        change.mode,
        change.mtime_ns,
        change.size,
        change.version,
        os.fsencode(change.target),
        int(change.flags),
    )


def to_change(row: sqlite3.Row) -> Change:
    """The change of a row that begins with the columns ``CHANGE``."""
    return Change(
        seq=row[1],
        path=os.fsdecode(row[0]),
        kind=Kind(row[2]),
        mode=row[3],
        mtime_ns=row[4],
        size=row[5],
        version=row[6],
        target=os.fsdecode(row[7]),
        flags=Flag(row[8]),
    )
