"""What the hub gave this replica, and what is being put in place.

One row a path: the change as the hub announced it, and the fingerprint of what was then on disk.
A path whose fingerprint still agrees holds the hub's bytes; everything else has to be looked at.
Intents say which replacements were under way when the process died (``recover``); ``ahead`` names
what was applied beyond the saved position.

Every transaction is durable when it returns (``synchronous = FULL``): an intent must be on disk
before the first rename it speaks of, and a saved position must never be ahead of the records. A
batch pays for it twice, whatever its size.
"""

from __future__ import annotations

import os
import sqlite3
import struct
import threading
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from protocol.messages import Change, Position
from pyzsync_daemon.client.records import CHANGE, Intent, Record, to_change, to_row
from pyzsync_daemon.files.db import open_database, opening, transaction
from pyzsync_daemon.files.root import Fingerprint

_SCHEMA = """
CREATE TABLE records (
    path BLOB PRIMARY KEY, seq INTEGER NOT NULL, kind INTEGER NOT NULL, mode INTEGER NOT NULL,
    mtime_ns INTEGER NOT NULL, size INTEGER NOT NULL, version BLOB NOT NULL, target BLOB NOT NULL,
    flags INTEGER NOT NULL, fingerprint BLOB NOT NULL
) WITHOUT ROWID;
CREATE INDEX records_by_version ON records (version) WHERE kind = 1;
CREATE TABLE intents (
    path BLOB NOT NULL, seq INTEGER NOT NULL, kind INTEGER NOT NULL, mode INTEGER NOT NULL,
    mtime_ns INTEGER NOT NULL, size INTEGER NOT NULL, version BLOB NOT NULL, target BLOB NOT NULL,
    flags INTEGER NOT NULL, name TEXT PRIMARY KEY, staged BLOB, expected BLOB,
    ours INTEGER NOT NULL, displaces BLOB NOT NULL
) WITHOUT ROWID;
CREATE TABLE ahead (path BLOB PRIMARY KEY, seq INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE meta (key TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
"""
_VERSION = 2
_COST = (
    "the replica is compared anew; what the hub deleted meanwhile stays, and the hub is pinned anew"
)
_POSITION = struct.Struct("<16sQ32s")
_LOOKUP = 500  # parameters of one statement; SQLite's oldest limit is 999


class ClientIndex:
    """The replica's database. Any thread may call; transactions are one at a time.

    Raises ``sqlite3.Error``; on opening ``UnusableDatabase`` or ``ForeignDatabase``.
    """

    def __init__(self, path: Path) -> None:
        self._lock = threading.RLock()
        with opening(path, _COST):
            self._db = open_database(path, _SCHEMA, _VERSION)

    def close(self) -> None:
        """Close the database."""
        with self._lock:
            self._db.close()

    # --- records ----------------------------------------------------------------------------------

    def get(self, path: str) -> Record | None:
        """The record of one path."""
        return self.lookup([path]).get(path)

    def lookup(self, paths: Sequence[str]) -> dict[str, Record]:
        """The records of those of the paths that have one."""
        found: dict[str, Record] = {}
        for start in range(0, len(paths), _LOOKUP):
            keys = [os.fsencode(path) for path in paths[start : start + _LOOKUP]]
            marks = ",".join("?" * len(keys))
            query = f"SELECT {CHANGE}, fingerprint FROM records WHERE path IN ({marks})"  # noqa: S608
            found.update((record.change.path, record) for record in self._records(query, keys))
        return found

    def records(self) -> Iterator[Record]:
        """All records, in the order of their paths' bytes, read a page at a time."""
        after = b""
        query = f"SELECT {CHANGE}, fingerprint FROM records WHERE path > ? ORDER BY path LIMIT 1000"  # noqa: S608
        while page := self._records(query, [after]):
            yield from page
            after = os.fsencode(page[-1].change.path)

    def beneath(self, path: str) -> list[Record]:
        """The records of everything inside the directory ``path``."""
        prefix = os.fsencode(path) + b"/"
        query = f"SELECT {CHANGE}, fingerprint FROM records WHERE path > ? AND path < ?"  # noqa: S608
        return self._records(query, [prefix, prefix[:-1] + b"0"])  # "0" follows "/"

    def holders(self, version: bytes, limit: int = 4) -> list[Record]:
        """Some records of files that have this version."""
        query = f"SELECT {CHANGE}, fingerprint FROM records WHERE kind = 1 AND version = ? LIMIT ?"  # noqa: S608
        return self._records(query, [version, limit])

    def among(self, versions: Iterable[bytes]) -> set[bytes]:
        """Those of some versions that recorded files have."""
        wanted = list(versions)
        found: set[bytes] = set()
        for start in range(0, len(wanted), _LOOKUP):
            page = wanted[start : start + _LOOKUP]
            marks = _marks(len(page))
            query = f"SELECT DISTINCT version FROM records WHERE kind = 1 AND version IN ({marks})"  # noqa: S608
            with self._lock:
                found.update(row[0] for row in self._db.execute(query, page))
        return found

    def count(self) -> int:
        """How many paths are recorded."""
        with self._lock:
            (count,) = self._db.execute("SELECT count(*) FROM records").fetchone()
        return int(count)

    def paths(self) -> list[str]:
        """All recorded paths."""
        with self._lock:
            return [os.fsdecode(row[0]) for row in self._db.execute("SELECT path FROM records")]

    def versions(self) -> set[bytes]:
        """The versions of all recorded files."""
        with self._lock:
            rows = self._db.execute("SELECT DISTINCT version FROM records WHERE kind = 1")
            return {row[0] for row in rows}

    # --- what changes together --------------------------------------------------------------------

    def record(
        self,
        put: Iterable[Record],
        drop: Iterable[str] = (),
        done: Iterable[str] = (),
        deleted: Iterable[Change] = (),
    ) -> None:
        """Write records, drop those of paths that are gone (``deleted``: by these changes, applied
        like what is put), and end the intents named ``done``."""
        put, deleted = list(put), list(deleted)
        rows = [(*to_row(each.change), each.fingerprint.pack()) for each in put]
        gone = [(os.fsencode(path),) for path in (*drop, *(each.path for each in deleted))]
        ended = [(name,) for name in done]
        if not (rows or gone or ended):
            return
        with self._lock, transaction(self._db) as db:
            saved = self.position  # without one only deletions: all else is in the records
            applied = (*(each.change for each in put if saved), *deleted)
            least = saved.seq if saved else 0
            beyond = [to_row(each)[:2] for each in applied if each.seq > least]
            db.executemany("INSERT OR REPLACE INTO ahead VALUES (?, ?)", beyond)
            db.executemany("DELETE FROM records WHERE path = ?", gone)
            db.executemany(f"INSERT OR REPLACE INTO records VALUES ({_marks(10)})", rows)  # noqa: S608
            db.executemany("DELETE FROM intents WHERE name = ?", ended)

    def refresh(self, seen: Iterable[tuple[Record, Fingerprint]]) -> None:
        """New fingerprints for records whose content was found right, if they still stand."""
        rows = [
            (fingerprint.pack(), os.fsencode(record.change.path), record.fingerprint.pack())
            for record, fingerprint in seen
        ]
        if not rows:
            return
        with self._lock, transaction(self._db) as db:
            db.executemany(
                "UPDATE records SET fingerprint = ? WHERE path = ? AND fingerprint = ?", rows
            )

    def intend(self, intents: Iterable[Intent]) -> None:
        """Write down what is about to happen; durable when this returns."""
        rows = [
            (
                *to_row(each.change),
                each.name,
                each.staged and each.staged.pack(),
                each.expected and each.expected.pack(),
                each.ours,
                each.displaces,
            )
            for each in intents
        ]
        with self._lock, transaction(self._db) as db:
            db.executemany(f"INSERT OR REPLACE INTO intents VALUES ({_marks(14)})", rows)  # noqa: S608

    def intents(self) -> list[Intent]:
        """What was under way, parents before children."""
        query = (
            f"SELECT {CHANGE}, name, staged, expected, ours, displaces "  # noqa: S608
            "FROM intents ORDER BY path"
        )
        with self._lock:
            rows = self._db.execute(query).fetchall()
        for row in rows:
            if "/" in row[9] or row[9] in ("", ".", ".."):
                raise sqlite3.DatabaseError(f"an intent has the name {row[9]!r}")
        return [
            Intent(
                to_change(row),
                row[9],
                row[10] and Fingerprint.unpack(row[10]),
                row[11] and Fingerprint.unpack(row[11]),
                bool(row[12]),
                row[13],
            )
            for row in rows
        ]

    # --- the hub ----------------------------------------------------------------------------------

    def save(self, hub: bytes, position: Position | None) -> None:
        """Remember the hub's identity and how far the replica follows it."""
        packed = _POSITION.pack(position.epoch, position.seq, position.head) if position else b""
        with self._lock, transaction(self._db) as db:
            if position is not None and self.position is None:
                beyond = "SELECT path, seq FROM records WHERE seq > ?"
                db.execute(f"INSERT OR REPLACE INTO ahead {beyond}", [position.seq])
            rows = [("hub", hub), ("position", packed)]
            db.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", rows)
            if position is None:
                db.execute("DELETE FROM ahead")
            else:
                db.execute("DELETE FROM ahead WHERE seq <= ?", [position.seq])

    @property
    def hub(self) -> bytes:
        """The identity of the hub that this replica follows; empty before the first one."""
        return self._meta("hub")

    @property
    def position(self) -> Position | None:
        """How far the replica follows the hub."""
        packed = self._meta("position")
        return Position(*_POSITION.unpack(packed)) if packed else None

    @property
    def ahead(self) -> dict[str, int]:
        """The seq of what was applied beyond the saved position, by path."""
        with self._lock:
            return {os.fsdecode(path): seq for path, seq in self._db.execute("SELECT * FROM ahead")}

    def _meta(self, key: str) -> bytes:
        with self._lock:
            row = self._db.execute("SELECT value FROM meta WHERE key = ?", [key]).fetchone()
        return bytes(row[0]) if row else b""

    def _records(self, query: str, values: Sequence[object]) -> list[Record]:
        with self._lock:
            rows = self._db.execute(query, values).fetchall()
        return [Record(to_change(row), Fingerprint.unpack(row[9])) for row in rows]


def _marks(count: int) -> str:
    return ",".join("?" * count)
