"""One prepared entry and one path: the check, the swap, and what becomes of what was there.

Between the check and the swap the path may change. That is why what was displaced is judged
afterwards, in staging, and why the swap is atomic wherever the file system can do it.
"""

from __future__ import annotations

import errno
import os
import stat
from dataclasses import dataclass

from protocol.messages import Change, Kind
from pyzsync_daemon.client import metadata
from pyzsync_daemon.client.compare import unproven
from pyzsync_daemon.client.displaced import put_away
from pyzsync_daemon.client.entry import Entry, explain
from pyzsync_daemon.client.records import Intent, Record
from pyzsync_daemon.client.replica import Replica
from pyzsync_daemon.files.moves import move_new, old_name, swap_in
from pyzsync_daemon.files.root import Fingerprint


@dataclass(slots=True)
class Item:
    """An entry on its way through a commit, and what has come of it.

    ``change`` is the newest that the entry serves. ``let_go``: what is displaced may go to the
    attic, if it is what was seen at the path. ``staged``: the new entry, dressed. ``refused``:
    the error is a policy's, and trying again is of no use. ``unsettled``: what it displaced could
    not be dealt with and may still be under its staging name, so its intent stays until the next
    start.
    """

    entry: Entry
    change: Change
    let_go: bool
    staged: Fingerprint | None = None
    intent: Intent | None = None
    record: Record | None = None
    conflict: str = ""
    error: str = ""
    refused: bool = False
    overtaken: bool = False
    unsettled: bool = False

    @property
    def sound(self) -> bool:
        """Nothing has gone wrong so far."""
        return not self.error and not self.overtaken


class Overtaken(Exception):
    """The path is not as it was when the change was prepared."""


def place(replica: Replica, item: Item) -> None:
    """Put a staged entry in place. Raises ``Overtaken`` or ``OSError``."""
    entry, staging = item.entry, replica.staging
    assert item.intent is not None and item.intent.staged is not None
    displaced = ""
    with replica.root.parent(item.change.path) as (fd, name):
        if entry.local.fingerprint is None:
            replica.step("link")
            try:
                move_new(staging.fd, entry.name, fd, name)
            except FileExistsError:
                raise Overtaken from None
        else:
            _check(item, fd, name)
            displaced = swap_in(staging.fd, entry.name, fd, name, lambda: replica.step("link"))
        replica.step("rename")
        item.record = Record(item.change, _as_placed(item.intent.staged, fd, name))
    if displaced:
        _put_away(replica, item, displaced)


def remove(replica: Replica, item: Item) -> None:
    """Take an entry out of the tree. Raises ``Overtaken`` or ``OSError``."""
    entry = item.entry
    with replica.root.parent(item.change.path) as (fd, name):
        if entry.local.is_a(Kind.DIRECTORY) and entry.local.ours:
            _remove_directory(replica, item.change.path, fd, name)
            return
        _check(item, fd, name)
        replica.step("link")
        os.rename(name, entry.name, src_dir_fd=fd, dst_dir_fd=replica.staging.fd)
        replica.step("rename")
    _put_away(replica, item, entry.name)


def touch(replica: Replica, item: Item) -> None:
    """Set mode and mtime; a directory's turn comes when all entries are in place.

    Raises ``Overtaken`` or ``OSError``.
    """
    expected = item.entry.local.fingerprint
    if item.change.kind is Kind.DIRECTORY or expected is None:
        return
    with replica.root.parent(item.change.path) as (fd, name):
        found = metadata.touch(fd, name, item.change, expected)
    if found is None:
        raise Overtaken
    item.record = Record(item.change, found)


def _check(item: Item, fd: int, name: str) -> None:
    """Is the path still as it was prepared? What goes aside anyway may be anything by now, but no
    directory: an earlier commit may have made it, with entries of the hub's in it."""
    expected = item.entry.local.fingerprint
    found = Fingerprint.of(os.stat(name, dir_fd=fd, follow_symlinks=False))
    directory = stat.S_ISDIR(found.mode)
    if directory or item.entry.local.is_a(Kind.DIRECTORY):
        same = directory and expected is not None and found.ino == expected.ino
    else:
        same = found == expected or not item.let_go
    if not same:
        raise Overtaken


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


def _remove_directory(replica: Replica, path: str, fd: int, name: str) -> None:
    """What the hub never published may still be in it: then it stays.

    If the hub's own entries are in it, their deletions are in another commit: ``OSError``, and the
    directory's turn comes again.
    """
    try:
        os.rmdir(name, dir_fd=fd)
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise
        below = (record.change.path for record in replica.index.beneath(path))
        if any(replica.root.lstat(each) is not None for each in below):
            raise


def nothing_displaced(replica: Replica, item: Item) -> bool:
    """Whether an item that failed left nothing in staging but, perhaps, its own entry."""
    assert item.intent is not None
    there = replica.staging.lstat(item.intent.name)
    own = item.intent.staged.ino if item.intent.staged is not None else None
    clean = there is None or there.st_ino == own
    return clean and replica.staging.lstat(old_name(item.intent.name)) is None
