import sqlite3

import pytest

from pyzsync_daemon.files.db import (
    ForeignDatabase,
    UnusableDatabase,
    open_database,
    opening,
    transaction,
)

SCHEMA = "CREATE TABLE parent (id INTEGER PRIMARY KEY); CREATE TABLE child (id REFERENCES parent)"


def test_a_new_database_gets_the_schema_and_keeps_it(tmp_path):
    path = tmp_path / "state.db"
    first = open_database(path, SCHEMA, 3)
    first.execute("INSERT INTO parent VALUES (7)")
    first.close()
    again = open_database(path, SCHEMA, 3)
    assert again.execute("SELECT id FROM parent").fetchall() == [(7,)]
    assert again.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert again.execute("PRAGMA user_version").fetchone() == (3,)
    again.close()


@pytest.mark.parametrize(("level", "number"), [("NORMAL", 1), ("FULL", 2)])
def test_durability_is_as_asked_and_foreign_keys_hold(tmp_path, level, number):
    connection = open_database(tmp_path / "state.db", SCHEMA, 1, synchronous=level)
    assert connection.execute("PRAGMA synchronous").fetchone() == (number,)
    with pytest.raises(sqlite3.IntegrityError):
        connection.execute("INSERT INTO child VALUES (1)")
    connection.close()


def test_another_schema_is_refused_by_name(tmp_path):
    path = tmp_path / "state.db"
    open_database(path, SCHEMA, 2).close()
    with pytest.raises(ForeignDatabase) as caught:
        open_database(path, SCHEMA, 1)
    assert (caught.value.path, caught.value.found, caught.value.supported) == (path, 2, 1)
    assert str(caught.value) == f"{path} has schema 2, this release reads 1"


def test_a_broken_schema_leaves_nothing_behind(tmp_path):
    path = tmp_path / "state.db"
    with pytest.raises(sqlite3.OperationalError):
        open_database(path, "CREATE TABLE a (x); CREATE NONSENSE", 1)
    connection = open_database(path, SCHEMA, 1)
    assert connection.execute("SELECT name FROM sqlite_master WHERE name = 'a'").fetchall() == []
    connection.close()


@pytest.mark.parametrize("content", [b"\xff" * 4096, b"not a database at all" * 100])
def test_a_damaged_one_is_named_with_what_deleting_it_costs(tmp_path, content):
    path = tmp_path / "state.db"
    path.write_bytes(content)
    with pytest.raises(UnusableDatabase) as caught, opening(path, "a long scan"):
        open_database(path, SCHEMA, 1)
    assert str(caught.value) == f"{path} cannot be used: file is not a database"
    assert caught.value.hint.endswith("else delete it and its -wal and -shm: a long scan")


def test_a_transaction_is_all_or_nothing(tmp_path):
    connection = open_database(tmp_path / "state.db", SCHEMA, 1)
    with transaction(connection):
        connection.execute("INSERT INTO parent VALUES (1)")
    with pytest.raises(RuntimeError, match="stop"), transaction(connection):
        connection.execute("INSERT INTO parent VALUES (2)")
        raise RuntimeError("stop")
    assert connection.execute("SELECT id FROM parent").fetchall() == [(1,)]
    connection.close()
