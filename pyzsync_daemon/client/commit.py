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

import errno
import os
from collections.abc import Callable
from dataclasses import dataclass

from protocol.messages import Change, Kind
from pyzsync_daemon.client.compare import unproven
from pyzsync_daemon.client.displaced import put_away
from pyzsync_daemon.client.entry import Action, Entry, explain
from pyzsync_daemon.client.folders import Folders, parent_of
from pyzsync_daemon.client.index import Intent, Record
from pyzsync_daemon.client.metadata import dress, touch
from pyzsync_daemon.client.replica import Replica
from pyzsync_daemon.files.moves import move_new, old_name, swap_in
from pyzsync_daemon.files.root import Fingerprint
from pyzsync_daemon.files.syscalls import syncfs

# From here on one syncfs is cheaper than a sync of each: measured 12,000 files/s against 1,650.
# It also waits for what other processes have written, so a few files do without it.
SYNC_EACH = 32


@dataclass(slots=True)
class Item:
    """An entry on its way through a commit, and what has come of it.

    ``change`` is the newest that the entry serves. ``let_go``: what is displaced may go to the
    attic, if it is what was seen at the path. ``unsettled``: what it displaced could not be dealt
    with and may still be under its staging name, so its intent stays until the next start.
    """

    entry: Entry
    change: Change
    let_go: bool
    intent: Intent | None = None
    record: Record | None = None
    conflict: str = ""
    error: str = ""
    overtaken: bool = False
    unsettled: bool = False

    @property
    def sound(self) -> bool:
        """Nothing has gone wrong so far."""
        return not self.error and not self.overtaken


class _Overtaken(Exception):
    """The path is not as it was when the change was prepared."""


def commit(replica: Replica, items: list[Item]) -> None:
    """Put the items in place; each says afterwards what came of it.

    ``sqlite3.Error`` passes through; then ``recover`` finishes or undoes what was begun.
    """
    folders = Folders(replica)
    try:
        creations, removals, touches = _in_order(folders, items)
        _make_durable(replica, creations)
    except OSError as error:
        _fail(items, error)
        return
    _intend(replica, creations + removals)
    for items_of_a_kind, act in ((creations, _place), (removals, _remove), (touches, _touch)):
        unsound: dict[str, Item] = {}
        for item in items_of_a_kind:
            _attempt(replica, folders, item, act, unsound)
    _finish_directories(folders, creations + touches)
    try:
        kept_aside = any(item.conflict for item in creations + removals)
        folders.sync(0 if kept_aside else SYNC_EACH)  # conflicts have directories of their own
    except OSError as error:  # in place, but perhaps not durable
        _fail(items, error)
        for item in items:
            item.unsettled = True
        return
    replica.step("dirsync")
    _record(replica, creations + removals + touches)
    replica.step("record")


def _fail(items: list[Item], error: OSError) -> None:
    for item in items:
        item.error = explain(error, item.change.path)


def _in_order(folders: Folders, items: list[Item]) -> tuple[list[Item], list[Item], list[Item]]:
    """Creations (with the parents they lack) from the top down, removals from the bottom up."""
    creations = [item for item in items if item.entry.action is Action.PLACE]
    for entry in folders.missing([item.change for item in creations]):
        creations.append(Item(entry, entry.change, entry.local.ours))
    removals = [item for item in items if item.entry.action is Action.REMOVE]
    touches = [item for item in items if item.entry.action is Action.TOUCH]
    creations.sort(key=lambda item: item.change.path.split("/"))
    removals.sort(key=lambda item: item.change.path.split("/"), reverse=True)
    return creations, removals, touches


def _make_durable(replica: Replica, creations: list[Item]) -> None:
    fd = replica.staging.fd
    for item in creations:
        dress(fd, item.entry.name, item.change)
    replica.step("stage")
    files = [item.entry.name for item in creations if item.change.kind is Kind.FILE]
    if len(files) > SYNC_EACH:
        syncfs(fd)
    else:
        for name in files:
            with replica.staging.open(name) as staged:
                os.fsync(staged.fd)
    replica.step("fsync")


def _intend(replica: Replica, items: list[Item]) -> None:
    for item in items:
        entry, local = item.entry, item.entry.local
        status = replica.staging.lstat(entry.name)
        item.intent = Intent(
            change=item.change,
            name=entry.name,
            staged=Fingerprint.of(status) if status is not None else None,
            expected=local.fingerprint,
            ours=item.let_go,
            displaces=local.version,
            announced=entry.announced,
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
        else:
            folders.enter(parent_of(path))
            act(replica, item)
    except _Overtaken:
        item.overtaken = True
    except (FileNotFoundError, NotADirectoryError):
        # Gone meanwhile: for a deletion that is what was wanted.
        item.overtaken = item.entry.action is not Action.REMOVE
    except OSError as error:
        item.error = explain(error, path)
    if not item.sound:
        unsound[path] = item


def _place(replica: Replica, item: Item) -> None:
    entry, staging = item.entry, replica.staging
    assert item.intent is not None and item.intent.staged is not None
    displaced = ""
    with replica.root.parent(item.change.path) as (fd, name):
        if entry.local.fingerprint is None:
            replica.step("link")
            try:
                move_new(staging.fd, entry.name, fd, name)
            except FileExistsError:
                raise _Overtaken from None
        else:
            _check(item, fd, name)
            displaced = swap_in(staging.fd, entry.name, fd, name, lambda: replica.step("link"))
        replica.step("rename")
        item.record = Record(item.change, _as_placed(item.intent.staged, fd, name))
    if displaced:
        _put_away(replica, item, displaced)


def _remove(replica: Replica, item: Item) -> None:
    entry = item.entry
    with replica.root.parent(item.change.path) as (fd, name):
        if entry.local.is_a(Kind.DIRECTORY) and entry.local.ours:
            _remove_directory(fd, name)
            return
        _check(item, fd, name)
        replica.step("link")
        os.rename(name, entry.name, src_dir_fd=fd, dst_dir_fd=replica.staging.fd)
        replica.step("rename")
    _put_away(replica, item, entry.name)


def _touch(replica: Replica, item: Item) -> None:
    """A directory's turn comes when all entries are in place."""
    expected = item.entry.local.fingerprint
    if item.change.kind is Kind.DIRECTORY or expected is None:
        return
    with replica.root.parent(item.change.path) as (fd, name):
        found = touch(fd, name, item.change, expected)
    if found is None:
        raise _Overtaken
    item.record = Record(item.change, found)


def _check(item: Item, fd: int, name: str) -> None:
    """Is the path still as it was prepared? What goes aside anyway may be anything by now."""
    expected = item.entry.local.fingerprint
    found = Fingerprint.of(os.stat(name, dir_fd=fd, follow_symlinks=False))
    if item.entry.local.is_a(Kind.DIRECTORY):
        same = expected is not None and found.ino == expected.ino
    else:
        same = found == expected
    if item.let_go and not same:
        raise _Overtaken


def _as_placed(staged: Fingerprint, fd: int, name: str) -> Fingerprint:
    """What to record of the entry just placed: if it was edited already, nothing that agrees."""
    try:
        found = Fingerprint.of(os.stat(name, dir_fd=fd, follow_symlinks=False))
    except FileNotFoundError:
        return unproven(staged)
    return found if found.same_content(staged) else unproven(staged)


def _put_away(replica: Replica, item: Item, name: str) -> None:
    assert item.intent is not None
    try:
        item.conflict = put_away(replica, item.intent, name)
    except OSError as error:
        item.error = f"{explain(error, item.change.path)} (while keeping local content aside)"


def _remove_directory(fd: int, name: str) -> None:
    """What the hub never published may still be in it: then it stays."""
    try:
        os.rmdir(name, dir_fd=fd)
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise


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
    records, gone, done = [], [], []
    for item in items:
        path = item.change.path
        if item.intent is not None:
            item.unsettled = not (item.sound or _nothing_displaced(replica, item))
            done += [] if item.unsettled else [item.intent.name]
        if not item.sound:
            if not item.entry.announced and not item.unsettled:
                replica.staging.remove(item.entry.name)
            continue
        if item.entry.action is Action.PLACE and item.entry.local.is_a(Kind.DIRECTORY):
            gone += [record.change.path for record in replica.index.beneath(path)]
        if item.record is not None and item.entry.announced:
            records.append(item.record)
        else:
            gone.append(path)
    replica.index.record(records, gone, done)


def _nothing_displaced(replica: Replica, item: Item) -> bool:
    """Whether an item that failed left nothing in staging but, perhaps, its own entry."""
    assert item.intent is not None
    there = replica.staging.lstat(item.intent.name)
    own = item.intent.staged.ino if item.intent.staged is not None else None
    clean = there is None or there.st_ino == own
    return clean and replica.staging.lstat(old_name(item.intent.name)) is None
