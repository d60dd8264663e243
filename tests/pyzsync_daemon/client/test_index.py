"""Records, intents and the position come back as they went in."""

import os
import sqlite3
from dataclasses import replace

import pytest

from protocol.messages import Change, Flag, Kind, Position
from pyzsync_daemon.client.index import ClientIndex
from pyzsync_daemon.client.records import Intent, Record
from pyzsync_daemon.files.root import Fingerprint

FINGERPRINT = Fingerprint(2**64 - 1, 5, -1, 2**62, 0o100644)
ODD = os.fsdecode(b"latin-\xe9")


@pytest.fixture
def index(tmp_path):
    index = ClientIndex(tmp_path / "index.sqlite")
    yield index
    index.close()


def record(path, version=b"v" * 32, **more):
    fields = {"mode": 0o644, "mtime_ns": -5, "size": 5, "version": version} | more
    return Record(Change(7, path, Kind.FILE, **fields), FINGERPRINT)


def test_a_record_comes_back_whole(index):
    file = record(ODD, flags=Flag.SPARSE)
    link = Record(Change(8, "l", Kind.SYMLINK, target=ODD), FINGERPRINT)
    index.record([file, link])
    assert index.get(ODD) == file
    assert index.get("l") == link
    assert index.get("missing") is None


def test_records_are_replaced_and_dropped_in_one_transaction(index):
    index.record([record("a"), record("b")])
    newer = record("a", version=b"w" * 32)
    index.record([newer], drop=["b"])
    assert list(index.records()) == [newer]
    assert (index.count(), index.paths(), index.versions()) == (1, ["a"], {b"w" * 32})


def test_dropping_comes_before_writing(index):
    index.record([record("a")], drop=["a"])
    assert index.count() == 1


def test_many_are_looked_up_at_once(index):
    names = [str(number) for number in range(1200)]
    index.record([record(name) for name in names])
    found = index.lookup([*names, "missing"])
    assert found.keys() == set(names)
    assert len(list(index.records())) == 1200


def test_what_is_beneath_a_path_is_not_what_begins_like_it(index):
    index.record([record(name) for name in ("a", "a/b", "a/b/c", "a.b", "a0", "ab/c")])
    assert {each.change.path for each in index.beneath("a")} == {"a/b", "a/b/c"}


def test_holders_of_a_version_are_found(index):
    index.record([record("a"), record("b"), record("c", version=b"w" * 32)])
    assert {each.change.path for each in index.holders(b"v" * 32)} == {"a", "b"}
    assert len(index.holders(b"v" * 32, 1)) == 1


def test_a_refreshed_fingerprint_does_not_touch_a_newer_record(index):
    old, other = record("a"), record("b")
    index.record([old, other])
    moved = replace(FINGERPRINT, ino=3)
    newer = Record(record("a", version=b"w" * 32).change, replace(FINGERPRINT, ino=2))
    index.record([newer])
    index.refresh([(old, moved), (other, moved)])
    assert index.get("a") == newer
    assert index.get("b") == Record(other.change, moved)
    index.refresh([])


def test_intents_come_back_parents_first_until_they_are_done(index):
    child = Intent(record("p/c").change, "one", FINGERPRINT, None, False, b"")
    parent = Intent(record("p").change, "two", None, FINGERPRINT, True, b"v" * 32)
    index.intend([child, parent])
    assert index.intents() == [parent, child]
    index.record([record("p")], done=["two"])
    assert index.intents() == [child]


def test_two_intents_of_one_path_do_not_hide_each_other(index):
    first = Intent(record("p").change, "one", FINGERPRINT, None, False, b"")
    index.intend([first])
    index.intend([replace(first, name="two")])
    assert {intent.name for intent in index.intents()} == {"one", "two"}


def test_the_position_comes_back(index, tmp_path):
    assert (index.hub, index.position) == (b"", None)
    position = Position(b"e" * 16, 2**63 - 1, b"h" * 32)
    index.save(b"hub", position)
    index.close()
    again = ClientIndex(tmp_path / "index.sqlite")
    assert (again.hub, again.position) == (b"hub", position)
    again.save(b"hub", None)
    assert again.position is None
    again.close()


def test_what_is_applied_beyond_the_position_is_known_by_path(index):
    index.record([record("a")])
    assert index.ahead == {}  # without a position there is nothing to be beyond of
    index.save(b"hub", Position(b"e" * 16, 6, b"h" * 32))
    index.record([record("a"), record(ODD)], deleted=[Change(8, "b", Kind.ABSENT)])
    index.record([], drop=["c"])
    assert index.ahead == {"a": 7, ODD: 7, "b": 8}
    index.save(b"hub", Position(b"e" * 16, 7, b"h" * 32))
    assert index.ahead == {"b": 8}
    index.save(b"hub", None)
    assert index.ahead == {}


def test_what_was_applied_before_the_first_position_may_be_beyond_it(index):
    index.record([record("a")], deleted=[Change(6, "b", Kind.ABSENT), Change(8, "c", Kind.ABSENT)])
    index.save(b"hub", Position(b"e" * 16, 6, b"h" * 32))
    assert index.ahead == {"a": 7, "c": 8}


def test_every_transaction_is_durable(index):
    assert index._db.execute("PRAGMA synchronous").fetchone() == (2,)
    assert index._db.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_an_intent_never_leads_out_of_staging(index):
    change = Change(1, "f", Kind.ABSENT)
    index.intend([Intent(change, "../f", None, None, True, b"")])
    with pytest.raises(sqlite3.DatabaseError, match=r"an intent has the name '\.\./f'"):
        index.intents()


def test_versions_that_files_have_are_told_from_others(index):
    index.record([record("a"), record("b"), record("c", version=b"w" * 32)])
    others = [number.to_bytes(32) for number in range(1000)]
    assert index.among([b"v" * 32, *others, b"w" * 32]) == {b"v" * 32, b"w" * 32}
    assert index.among(others) == set()
