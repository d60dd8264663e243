"""Opening the daemon's SQLite databases, always in the same way."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from pyzsync_daemon.errors import DaemonError


class ForeignDatabase(DaemonError):
    """The database at ``path`` has schema ``found``; this release reads ``supported`` only."""

    hint = "update pyzsync-daemon, or choose another state directory"

    def __init__(self, path: Path, found: int, supported: int) -> None:
        super().__init__(path, found, supported)
        self.path = path
        self.found = found
        self.supported = supported

    def __str__(self) -> str:
        return f"{self.path} has schema {self.found}, this release reads {self.supported}"


class UnusableDatabase(DaemonError):
    """The database at ``path`` cannot be opened: damaged, no room, no right. ``cost`` of deleting
    it, in words."""

    def __init__(self, path: Path, reason: str, cost: str) -> None:
        super().__init__(path, reason, cost)
        self.path = path
        self.reason = reason
        self.hint = f"make room if the disk is full; else delete it and its -wal and -shm: {cost}"

    def __str__(self) -> str:
        return f"{self.path} cannot be used: {self.reason}"


@contextmanager
def opening(path: Path, cost: str) -> Iterator[None]:
    """What SQLite raises in the block becomes an ``UnusableDatabase``."""
    try:
        yield
    except sqlite3.Error as error:
        raise UnusableDatabase(path, str(error), cost) from error


def open_database(
    path: Path,
    schema: str,
    version: int,
    *,
    synchronous: Literal["NORMAL", "FULL"] = "FULL",
) -> sqlite3.Connection:
    """Open the database at ``path``; a new one gets ``schema`` and is marked as ``version``.

    The connection is in autocommit mode (use ``transaction``) and may be used from any thread, by
    one at a time. With ``FULL`` a committed transaction survives a power loss; with ``NORMAL`` the
    last ones may be lost, never half of one. Raises ``ForeignDatabase``, or ``sqlite3.Error``.
    """
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=10.0)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(f"PRAGMA synchronous = {synchronous}")
        connection.execute("PRAGMA foreign_keys = ON")
        (found,) = connection.execute("PRAGMA user_version").fetchone()
        if found == 0:
            # executescript ends an open transaction, so the script brings its own.
            connection.executescript(f"BEGIN;{schema};PRAGMA user_version = {version};COMMIT;")
        elif found != version:
            raise ForeignDatabase(path, found, version)
    except BaseException:
        connection.close()
        raise
    return connection


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    """All of the block's statements, or none of them."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield connection
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")
