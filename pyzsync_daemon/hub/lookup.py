"""Reading the hub's entries table, on a connection of its own."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Collection, Iterable, Iterator, Sequence
from os import fsdecode, fsencode
from typing import Any

from protocol.messages import Change
from pyzsync_daemon.hub.records import COLUMNS, Record, to_record

PAGE = 500
"""Rows to a query: below the 999 variables of old SQLites, and short enough to hold a lock for."""


class Lookup:
    """Questions to the index. Any thread may ask; what is being committed does not show yet."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._lock = threading.Lock()

    def close(self) -> None:
        """Close the connection."""
        with self._lock:
            self._connection.close()

    # --- the log ---------------------------------------------------------------------------------

    def since(self, seq: int, limit: int) -> list[Change]:
        """Up to ``limit`` changes after ``seq``, by seq; of each path only the latest is kept."""
        tail = "WHERE seq > ? ORDER BY seq LIMIT ?"
        return [record.change for record in self._records(tail, (seq, limit))]

    def snapshot(self, after: str, limit: int) -> list[Change]:
        """Up to ``limit`` live entries after path ``after``, in the order of their paths' bytes."""
        tail = "WHERE path > ? AND kind != 0 ORDER BY path LIMIT ?"
        return [record.change for record in self._records(tail, (fsencode(after), limit))]

    # --- entries ---------------------------------------------------------------------------------

    def get(self, path: str) -> Record | None:
        """The record of ``path``, a tombstone included."""
        found = self._records("WHERE path = ?", (fsencode(path),))
        return found[0] if found else None

    def entries(self) -> Iterator[Record]:
        """All live records by path, read in pages: a commit in between may or may not show."""
        after = b""
        tail = "WHERE path > ? AND kind != 0 ORDER BY path LIMIT ?"
        while page := self._records(tail, (after, PAGE)):
            yield from page
            after = fsencode(page[-1].change.path)

    def children(self, directory: str) -> dict[str, Record]:
        """Live records directly in ``directory`` (empty: the root), by path."""
        found = self._records("WHERE parent = ? AND kind != 0", (fsencode(directory),))
        return {record.change.path: record for record in found}

    def subtree(self, directory: str) -> list[Record]:
        """Live records anywhere below ``directory`` (not the root), by path."""
        prefix = fsencode(directory)
        tail = "WHERE path > ? AND path < ? AND kind != 0 ORDER BY path"
        return self._records(tail, (prefix + b"/", prefix + b"0"))  # "0" comes right after "/"

    # --- versions --------------------------------------------------------------------------------

    def published(self, path: str, version: bytes) -> bool:
        """Whether ``path`` has, or is remembered to have had, that version."""
        here = "SELECT 1 FROM entries WHERE path = :p AND kind = 1 AND version = :v"
        past = "SELECT 1 FROM history WHERE path = :p AND version = :v"
        known = {"p": fsencode(path), "v": version}
        return bool(self.select(f"{here} UNION ALL {past} LIMIT 1", known))

    def path_of(self, version: bytes) -> str | None:
        """A live path whose present version it is."""
        found = self.select(
            "SELECT path FROM entries WHERE version = ? AND kind = 1 LIMIT 1", (version,)
        )
        return fsdecode(found[0][0]) if found else None

    def paths_of(self, versions: Iterable[bytes]) -> dict[bytes, str]:
        """A live path of each of ``versions`` that has one."""
        wanted = list(versions)
        found: dict[bytes, str] = {}
        for start in range(0, len(wanted), PAGE):
            page = wanted[start : start + PAGE]
            marks = f"?{', ?' * (len(page) - 1)}"
            query = (
                f"SELECT version, path FROM entries WHERE kind = 1 AND version IN ({marks})"  # noqa: S608 - our own words
                " GROUP BY version"
            )
            found.update((version, fsdecode(path)) for version, path in self.select(query, page))
        return found

    def paths_once(self, version: bytes) -> list[str]:
        """Live files that had that version before: some of its leaves may still be in them."""
        found = self.select(
            "SELECT path FROM history JOIN entries USING (path)"
            " WHERE history.version = ? AND kind = 1 ORDER BY history.seq DESC LIMIT 16",
            (version,),
        )
        return [fsdecode(path) for (path,) in found]

    def held(self, paths: Iterable[str], seq: int) -> dict[str, bytes]:
        """The versions that a replica which has all changes up to ``seq`` has of those of ``paths``
        that have changed since. Where too much was forgotten, a version that it has not."""
        wanted = [fsencode(path) for path in paths]
        held: dict[str, bytes] = {}
        for start in range(0, len(wanted), PAGE):
            page = wanted[start : start + PAGE]
            # With min() the other columns are of the row that has it: the first that was replaced.
            marks = f"?{', ?' * (len(page) - 1)}"
            query = (
                "SELECT path, version, min(seq) FROM history"  # noqa: S608 - our own words
                f" WHERE path IN ({marks}) AND seq > ? GROUP BY path"
            )
            rows = self.select(query, [*page, seq])
            held.update((fsdecode(path), version) for path, version, _ in rows)
        return held

    def in_use(self, versions: Collection[bytes]) -> set[bytes]:
        """Those of ``versions`` that a live path has."""
        wanted = list(versions)
        found: set[bytes] = set()
        for start in range(0, len(wanted), PAGE):
            page = wanted[start : start + PAGE]
            marks = f"?{', ?' * (len(page) - 1)}"
            query = f"SELECT version FROM entries WHERE kind = 1 AND version IN ({marks})"  # noqa: S608 - as above
            found.update(version for (version,) in self.select(query, page))
        return found

    def versions_once(self) -> list[bytes]:
        """Versions that paths had before their present one, the latest replaced first."""
        query = "SELECT version FROM history GROUP BY version ORDER BY max(seq) DESC"
        return [version for (version,) in self.select(query)]

    def versions_to_keep(self) -> set[bytes]:
        """The versions of all live files, and the one that each had before."""
        rows = self.select("SELECT version, follows FROM entries WHERE kind = 1")
        return {version for row in rows for version in row if version}

    # --- reading rows ----------------------------------------------------------------------------

    def known(self, paths: Iterable[str]) -> dict[str, Record]:
        """What the index has of ``paths``."""
        wanted = [fsencode(path) for path in paths]
        known: dict[str, Record] = {}
        for start in range(0, len(wanted), PAGE):
            page = wanted[start : start + PAGE]
            tail = f"WHERE path IN (?{', ?' * (len(page) - 1)})"
            known.update((record.change.path, record) for record in self._records(tail, page))
        return known

    def _records(self, tail: str, values: Sequence[Any]) -> list[Record]:
        query = f"SELECT {COLUMNS} FROM entries {tail}"  # noqa: S608 - our own words
        return [to_record(row) for row in self.select(query, values)]

    def select(self, query: str, values: Sequence[Any] | dict[str, Any] = ()) -> list[Any]:
        """All rows of a query."""
        with self._lock:
            return self._connection.execute(query, values).fetchall()
