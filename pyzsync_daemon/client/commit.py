"""Putting a batch of prepared entries in place, so that a crash at any point loses nothing.

    stage    mode and mtime are set on the staged entries
    fsync    the staged bytes are durable
    intent   what is about to happen is durable
    link     (each path) it is as expected, and about to be replaced
    rename   (each path) the new entry is in place; what was there lies in staging
    dirsync  names are durable
    record   the index knows, and the intents are gone: in one transaction

What was displaced is looked at in staging, after the fact (``displaced``), so no edit falls between
a check and a rename. Creations come before deletions, parents before children; directories' modes
and times come last, since every entry placed in a directory moves its mtime.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from contextlib import ExitStack

from protocol.messages import Kind
from pyzsync_daemon.client.entry import Action, explain, in_the_way
from pyzsync_daemon.client.folders import Folders, parent_of
from pyzsync_daemon.client.metadata import dress
from pyzsync_daemon.client.place import (
    Item,
    Overtaken,
    nothing_displaced,
    place,
    remove,
    touch,
)
from pyzsync_daemon.client.records import Intent, Record
from pyzsync_daemon.client.replica import Replica
from pyzsync_daemon.files.root import Fingerprint
from pyzsync_daemon.files.syscalls import syncfs

# From here on one syncfs is cheaper than a sync of each: measured 12,000 files/s against 1,650.
# It also waits for what other processes have written, so a few files do without it.
SYNC_EACH = 32


def commit(replica: Replica, items: list[Item]) -> None:
    """Put the items in place; each says afterwards what came of it.

    ``sqlite3.DatabaseError`` (a broken index) passes through, but not its being full or locked.
    """
    folders = Folders(replica)
    try:
        creations, removals, touches = _in_order(folders, items)
        _make_durable(replica, creations)
        _drop_remains(replica, items)
        _intend(replica, creations + removals)
    except (OSError, sqlite3.OperationalError) as error:
        _fail(items, error)
        return
    for items_of_a_kind, act in ((creations, place), (removals, remove), (touches, touch)):
        unsound: dict[str, Item] = {}
        for item in items_of_a_kind:
            _attempt(replica, folders, item, act, unsound)
    _finish_directories(folders, creations + touches)
    try:
        kept_aside = any(item.conflict for item in creations + removals)
        folders.sync(0 if kept_aside else SYNC_EACH)  # conflicts have directories of their own
        replica.step("dirsync")
        _record(replica, creations + removals + touches)
    except (OSError, sqlite3.OperationalError) as error:  # in place, but not for certain
        _fail(items, error)
        for item in items:
            item.unsettled = True
        return
    replica.step("record")


def _fail(items: list[Item], error: OSError | sqlite3.Error) -> None:
    for item in items:
        item.error = explain(error, item.change.path)


def _in_order(folders: Folders, items: list[Item]) -> tuple[list[Item], list[Item], list[Item]]:
    """Creations (with the parents they lack) from the top down, removals from the bottom up."""
    creations = [item for item in items if item.entry.action is Action.PLACE]
    for entry in folders.missing([item.change for item in creations]):
        error = in_the_way(folders.replica.settings, entry)
        creations.append(
            Item(entry, entry.change, entry.local.ours, error=error, refused=bool(error))
        )
    removals = [item for item in items if item.entry.action is Action.REMOVE]
    touches = [item for item in items if item.entry.action is Action.TOUCH]
    creations.sort(key=lambda item: item.change.path.split("/"))
    removals.sort(key=lambda item: item.change.path.split("/"), reverse=True)
    return creations, removals, touches


def _make_durable(replica: Replica, creations: list[Item]) -> None:
    staging = replica.staging
    files = [item.entry.name for item in creations if item.change.kind is Kind.FILE]
    with ExitStack() as stack:
        few = files if len(files) <= SYNC_EACH else []
        # Opened first: their own modes may forbid it.
        handles = [stack.enter_context(staging.open(name)).fd for name in few]
        for item in creations:
            item.staged = dress(staging.fd, item.entry.name, item.change)
        replica.step("stage")
        for handle in handles:
            os.fsync(handle)
        if len(files) > len(few):
            syncfs(staging.fd)
        replica.step("fsync")


def _drop_remains(replica: Replica, items: list[Item]) -> None:
    """What was staged holds all that was good in them. Later would be too late: after a crash
    behind the record nobody would come for them."""
    for item in items:
        for name in item.entry.remains:
            replica.staging.remove(name)


def _intend(replica: Replica, items: list[Item]) -> None:
    for item in items:
        entry, local = item.entry, item.entry.local
        item.intent = Intent(
            change=item.change,
            name=entry.name,
            staged=item.staged,
            expected=local.fingerprint,
            ours=item.let_go,
            displaces=local.version,
        )
    replica.index.intend(item.intent for item in items if item.intent is not None)
    replica.step("intent")


def _attempt(
    replica: Replica,
    folders: Folders,
    item: Item,
    act: Callable[[Replica, Item], None],
    unsound: dict[str, Item],
) -> None:
    """Do one item; what goes wrong stays its own affair, and that of what lies beneath it."""
    path = item.change.path
    above = unsound.get(parent_of(path))
    try:
        if above is not None:
            item.error, item.overtaken = above.error, above.overtaken
            item.refused = above.refused
        elif not item.refused:
            folders.enter(parent_of(path))
            act(replica, item)
    except Overtaken:
        item.overtaken = True
    except (FileNotFoundError, NotADirectoryError):
        # Gone meanwhile: for a deletion that is what was wanted.
        item.overtaken = item.entry.action is not Action.REMOVE
    except OSError as error:
        item.error = explain(error, path)
    if not item.sound:
        unsound[path] = item


def _finish_directories(folders: Folders, items: list[Item]) -> None:
    given = {
        item.change.path: item
        for item in items
        if item.sound and item.entry.announced and item.change.kind is Kind.DIRECTORY
    }
    found = folders.finish({path: item.change for path, item in given.items()})
    for path, item in given.items():
        match found.get(path):
            case Fingerprint() as fingerprint:
                item.record = Record(item.change, fingerprint)
            case OSError() as error:
                item.error = explain(error, path)
            case None:
                item.overtaken = True


def _record(replica: Replica, items: list[Item]) -> None:
    records, gone, done, deleted = [], [], [], []
    for item in items:
        path = item.change.path
        if item.intent is not None:
            item.unsettled = not (item.sound or nothing_displaced(replica, item))
            done += [] if item.unsettled else [item.intent.name]
        if not item.sound:
            if not item.entry.announced and not item.unsettled:
                replica.staging.remove(item.entry.name)
            continue
        if item.entry.action is Action.PLACE and item.entry.local.is_a(Kind.DIRECTORY):
            gone += [record.change.path for record in replica.index.beneath(path)]
        if item.record is not None:
            records.append(item.record)
        elif item.entry.action is Action.REMOVE:
            deleted.append(item.change)
        else:
            gone.append(path)
    replica.index.record(records, gone, done, deleted)
