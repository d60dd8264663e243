"""The hub's memory: every published path, and the announcement log, which is the same table.

A batch is one transaction: it gets consecutive ``seq`` numbers and a head chained to the one
before. The database syncs lazily: a power loss may take the last batches away, and their numbers
are then given to other changes. Clients notice by the head, and get a snapshot.

All methods may be called from any thread. Reads have a connection of their own, so they do not
wait for a large commit; ``position()``, ``live`` and ``identity`` wait for nothing.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import replace
from os import fsencode
from pathlib import Path

from protocol.messages import Change, Kind, Position
from pyzsync_daemon.files.db import open_database, opening, transaction
from pyzsync_daemon.hub.identity import hub_identity
from pyzsync_daemon.hub.lookup import Lookup
from pyzsync_daemon.hub.records import (
    COLUMNS,
    SCHEMA,
    SCHEMA_VERSION,
    Batch,
    Record,
    chain,
    same_entry,
    to_row,
)

HISTORY_PER_PATH = 16
"""Versions remembered of a path: enough for a client that was away for a few edits."""

HISTORY_TOTAL = 200_000
"""Versions remembered of all paths: about 20 MB of database."""

HEADS = 65_536
"""Batch ends remembered: a client further behind gets a snapshot, which is shorter by then."""

COST = "the hub reads its whole tree again, and every client gets a snapshot"
"""What the loss of the database costs, in words."""

# An upsert leaves alone the indices whose columns stay; OR REPLACE would touch them all.
_REPLACE = (
    f"INSERT INTO entries ({COLUMNS}, parent) VALUES (?{', ?' * 12}) ON CONFLICT (path) DO UPDATE"  # noqa: S608
    f" SET {', '.join(f'{name} = excluded.{name}' for name in COLUMNS.split(', ')[1:])}"
)
_REFRESH = "UPDATE entries SET fingerprint = ?2, racy = ?3 WHERE path = ?1"


class HubIndex(Lookup):
    """The index at ``path``, whose directory also keeps the hub's identity.

    ``tombstones``: deletions remembered; a client that missed older ones gets a snapshot. Raises
    ``UnusableDatabase``, ``ForeignDatabase``, ``BadIdentity`` or ``OSError``.
    """

    def __init__(self, path: Path, *, identity: str = "", tombstones: int = 100_000) -> None:
        self.identity = hub_identity(path.parent, identity)
        self._tombstones = tombstones
        self._stride = max(1, min(1024, tombstones // 8))
        self._write_lock = threading.Lock()
        with opening(path, COST), ExitStack() as opened:
            self._write = open_database(path, SCHEMA, SCHEMA_VERSION, synchronous="NORMAL")
            opened.callback(self._write.close)
            super().__init__(open_database(path, SCHEMA, SCHEMA_VERSION))
            opened.callback(super().close)
            self._position, self._floor = self._open_log()
            self._live: int = self.select("SELECT count(*) FROM entries WHERE kind != 0")[0][0]
            self._notes: dict[str, bytes] = dict(self.select("SELECT name, value FROM meta"))
            opened.pop_all()

    def close(self) -> None:
        """Close the database; the index cannot be used afterwards."""
        super().close()
        with self._write_lock:
            self._write.close()

    @property
    def live(self) -> int:
        """Entries that are not tombstones."""
        return self._live

    def position(self) -> Position:
        """Where the log ends."""
        return self._position

    @property
    def floor(self) -> int:
        """The seq up to which deletions may be forgotten: the log is whole only after it."""
        return self._floor

    @property
    def complete(self) -> bool:
        """Whether the first scan for this log is over. Before, a snapshot would name but a part of
        the tree, and clients would delete the rest."""
        return bool(self._notes.get("complete"))

    def set_complete(self) -> None:
        """The first scan is over."""
        self._note("complete", b"\1")

    @property
    def root(self) -> bytes:
        """What ``set_root`` was last given: which directory the entries are of. Empty at first."""
        return self._notes.get("root", b"")

    def set_root(self, marker: bytes) -> None:
        """The entries are of the directory that ``marker`` names."""
        self._note("root", marker)

    def _note(self, name: str, value: bytes) -> None:
        if self._notes.get(name) != value:
            with self._write_lock, transaction(self._write) as db:
                db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (name, value))
            self._notes[name] = value

    def resumable(self, position: Position) -> bool:
        """Whether everything after ``position`` is still in the log, and it is this log's."""
        if position.epoch != self._position.epoch or position.seq < self._floor:
            return False
        found = self.select("SELECT head FROM heads WHERE seq = ?", (position.seq,))
        return bool(found) and found[0][0] == position.head

    def commit(self, records: Iterable[Record]) -> Batch:
        """Append what differs from the index, as one batch; of the rest refresh the evidence.

        The records' ``seq`` and ``follows`` are set here. Creations come first, parents before
        children; then deletions, children before parents.
        """
        given = {record.change.path: record for record in records}
        with self._write_lock:
            known = self.known(given)
            changed, refreshed, gone = [], [], []
            for path in sorted(given, key=fsencode):
                record, old = given[path], known.get(path)
                if record.change.kind is Kind.ABSENT:
                    if old is not None and old.change.kind is not Kind.ABSENT:
                        gone.append(record)
                elif old is not None and same_entry(record.change, old.change):
                    refreshed.append(record)
                else:
                    changed.append(record)
            return self._append([*changed, *reversed(gone)], refreshed, known)

    def _append(
        self, changed: list[Record], refreshed: list[Record], known: dict[str, Record]
    ) -> Batch:
        previous = self._position
        numbered = [
            _numbered(record, seq, known.get(record.change.path))
            for seq, record in enumerate(changed, previous.seq + 1)
        ]
        changes = tuple(record.change for record in numbered)
        if not changes:
            with transaction(self._write):
                self._refresh(refreshed)
            return Batch((), previous, previous)
        position = Position(previous.epoch, changes[-1].seq, chain(previous.head, changes))
        with transaction(self._write) as db:
            self._refresh(refreshed)
            db.executemany(_REPLACE, map(to_row, numbered))
            self._remember(numbered, known)
            db.execute("INSERT INTO heads (seq, head) VALUES (?, ?)", (position.seq, position.head))
            # Not on every commit, because finding the limits means counting rows.
            due = position.seq // self._stride != previous.seq // self._stride
            floor = self._trim() if due else self._floor
        self._position, self._floor = position, floor
        self._live += _live_difference(changes, known)
        return Batch(changes, position, previous)

    def _refresh(self, records: list[Record]) -> None:
        """Note new evidence for what has not changed."""
        self._write.executemany(
            _REFRESH, [(row[0], row[10], row[11]) for row in map(to_row, records)]
        )

    def _remember(self, numbered: list[Record], known: dict[str, Record]) -> None:
        """Note the versions that ``numbered`` replaces."""
        replaced = []
        for change in (record.change for record in numbered):
            old = known.get(change.path)
            if old and old.change.kind is Kind.FILE and old.change.version != change.version:
                replaced.append((fsencode(change.path), old.change.version, change.seq))
        self._write.executemany("INSERT OR REPLACE INTO history VALUES (?, ?, ?)", replaced)
        self._write.executemany(
            "DELETE FROM history WHERE path = ?1 AND seq <= (SELECT seq FROM history"
            " WHERE path = ?1 ORDER BY seq DESC LIMIT 1 OFFSET ?2)",
            [(path, HISTORY_PER_PATH) for path, _, _ in replaced],
        )

    def _trim(self) -> int:
        """Drop what is beyond the limits; returns the floor, before which nothing can resume."""
        db, floor = self._write, self._floor
        oldest = "SELECT seq FROM entries WHERE kind = 0 ORDER BY seq DESC LIMIT 1 OFFSET ?"
        dropped = db.execute(oldest, (self._tombstones,)).fetchone()
        if dropped is not None:
            (floor,) = dropped
            self._floor = floor  # before they go: who no longer finds them, finds the floor
            db.execute("DELETE FROM entries WHERE kind = 0 AND seq <= ?", (floor,))
            db.execute("INSERT OR REPLACE INTO meta VALUES ('floor', ?)", (floor,))
        db.execute("DELETE FROM heads WHERE batch <= (SELECT max(batch) FROM heads) - ?", (HEADS,))
        db.execute(
            "DELETE FROM history WHERE seq <= "
            "(SELECT seq FROM history ORDER BY seq DESC LIMIT 1 OFFSET ?)",
            (HISTORY_TOTAL,),
        )
        return floor

    def _open_log(self) -> tuple[Position, int]:
        """Position and floor of the log; a new database begins one."""
        meta = dict(self._write.execute("SELECT name, value FROM meta").fetchall())
        ends = self._write.execute("SELECT seq, head FROM heads ORDER BY batch DESC LIMIT 1")
        found = ends.fetchone()
        if found is None:
            meta = {"epoch": secrets.token_bytes(16), "floor": 0}
            found = 0, chain(meta["epoch"], ())
            with transaction(self._write) as db:
                db.executemany("INSERT INTO meta VALUES (?, ?)", meta.items())
                db.execute("INSERT INTO heads (seq, head) VALUES (?, ?)", found)
        return Position(meta["epoch"], *found), meta["floor"]


def _numbered(record: Record, seq: int, old: Record | None) -> Record:
    """The record with its seq, and with the last other version of its path."""
    follows, change = b"", record.change
    if old is not None and old.change.kind is Kind.FILE:
        # Of a chmod the version does not change; a client one edit behind can still use a delta.
        same = old.change.version == change.version
        follows = old.change.follows if same else old.change.version
    change = replace(change, seq=seq, follows=follows)
    return Record(change, record.fingerprint, record.racy)


def _live_difference(changes: Iterable[Change], known: dict[str, Record]) -> int:
    """How many more entries are live after ``changes``."""
    was = (
        change.path in known and known[change.path].change.kind is not Kind.ABSENT
        for change in changes
    )
    return sum(change.kind is not Kind.ABSENT for change in changes) - sum(was)
