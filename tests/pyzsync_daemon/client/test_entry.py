"""What a prepared entry serves, and what policy says of what it replaces."""

import errno
import sqlite3
from dataclasses import replace

import pytest

from pyzsync_daemon.client.compare import Local
from pyzsync_daemon.client.entry import Action, Entry, explain, in_the_way, may_go, refuses
from pyzsync_daemon.client.replica import WorkbenchSettings
from pyzsync_daemon.files.root import Fingerprint

FILE = Fingerprint(1, 2, 3, 4, 0o100644)
MINE = Local(FILE, ours=False, version=b"m" * 32)


def entry(hub, local, action=Action.PLACE):
    return Entry(hub.file("f", b"bytes"), action, local)


def test_metadata_may_change_but_content_may_not(hub):
    placed = entry(hub, MINE)
    assert placed.serves(replace(placed.change, seq=9, mode=0o600, mtime_ns=1))
    assert not placed.serves(replace(placed.change, version=b"x" * 32))
    assert not placed.serves(hub.directory("f"))
    link = Entry(hub.symlink("l", "t"), Action.PLACE, MINE)
    assert not link.serves(hub.symlink("l", "other"))
    assert Entry(hub.absent("f"), Action.REMOVE, MINE).serves(hub.absent("f"))


@pytest.mark.parametrize(
    ("policy", "local", "published", "goes"),
    [
        ("keep", Local(FILE, ours=True), False, True),
        ("keep", MINE, False, False),
        ("keep", MINE, True, True),
        ("overwrite", MINE, False, True),
        ("overwrite", Local(FILE), False, False),  # unread, so kept
        ("refuse", MINE, True, True),
    ],
)
def test_what_may_go(hub, policy, local, published, goes):
    told = {("f", MINE.version)} if published else set()
    assert may_go(WorkbenchSettings(conflict=policy), entry(hub, local), told) is goes


@pytest.mark.parametrize(
    ("local", "published", "goes"),
    [(Local(FILE, ours=True), False, True), (MINE, True, True), (MINE, False, False)],
)
def test_overwriting_destroys_nothing_that_is_only_removed(hub, local, published, goes):
    """In mirror mode that may be what was never published."""
    told = {("f", MINE.version)} if published else set()
    removed = Entry(hub.absent("f"), Action.REMOVE, local)
    assert may_go(WorkbenchSettings(conflict="overwrite", mirror=True), removed, told) is goes


def test_what_stands_in_the_way_of_a_parent_may_be_refused(hub):
    refuse = WorkbenchSettings(conflict="refuse")
    sentence = "f: holds local content, and conflicts are refused"
    link = Fingerprint(1, 2, 3, 4, 0o120777)
    assert in_the_way(refuse, entry(hub, MINE)) == sentence
    assert in_the_way(refuse, entry(hub, Local(link))) == sentence
    assert in_the_way(refuse, entry(hub, Local(FILE, ours=True))) == ""
    assert in_the_way(refuse, entry(hub, Local())) == ""
    assert in_the_way(WorkbenchSettings(), entry(hub, MINE)) == ""


def test_what_is_refused(hub):
    refuse = WorkbenchSettings(conflict="refuse")
    sentence = "f: holds local content, and conflicts are refused"
    assert refuses(refuse, entry(hub, MINE), set()) == sentence
    assert refuses(refuse, entry(hub, MINE), {("f", MINE.version)}) == ""
    assert refuses(refuse, entry(hub, MINE, Action.TOUCH), set()) == ""
    assert refuses(refuse, entry(hub, Local(FILE, ours=True)), set()) == ""
    assert refuses(WorkbenchSettings(), entry(hub, MINE), set()) == ""


def test_errors_become_sentences():
    full = OSError(errno.ENOSPC, "No space left on device")
    assert explain(full, "a/b") == "a/b: No space left on device"
    locked = sqlite3.OperationalError("database or disk is full")
    assert explain(locked, "a") == "a: the replica's index: database or disk is full"
