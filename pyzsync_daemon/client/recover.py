"""After a crash: what was begun is finished or undone, and staging is tidied.

A crash can fall between any two steps of ``commit``. For each intent that is left, three questions
decide, and none needs a guess, since inodes in staging are ours alone:

    is the staged inode at the path?        then it was placed: record it
    is it still under its staging name?     then nothing happened: it becomes an old file
    is something else under that name       it was displaced: the hub's goes to the attic, anything
    (or under ``.old``)?                    else aside; if the path is empty it goes back there

Whatever happened after the crash is the user's. Nothing recorded here is trusted to be unchanged:
the next look reads the content. Running it twice, or crashing in it, does no harm.
"""

from __future__ import annotations

import os
import stat

from protocol.messages import Kind
from pyzsync_daemon.client.compare import unproven
from pyzsync_daemon.client.displaced import put_away
from pyzsync_daemon.client.index import Intent, Record
from pyzsync_daemon.client.replica import Replica
from pyzsync_daemon.files.moves import move_new, old_name
from pyzsync_daemon.files.syscalls import syncfs


def recover(replica: Replica) -> list[str]:
    """Finish or undo what the last process left; returns what was kept aside.

    Raises ``OSError`` or ``sqlite3.Error``; then nothing is lost, and the next start tries again.
    """
    intents = replica.index.intents()
    kept, records, gone = [], [], []
    for intent in intents:
        placed = _is_staged(replica.root.lstat(intent.change.path), intent)
        kept += _settle(replica, intent, placed)
        if placed:
            records += _placed(replica, intent)
            gone += _hidden(replica, intent)
        elif intent.change.kind is Kind.ABSENT and replica.root.lstat(intent.change.path) is None:
            gone.append(intent.change.path)
    for name in replica.staging.names():
        kept += _sweep(replica, name)
    if intents or kept:
        syncfs(replica.root.fd)
    replica.index.record(records, gone, [intent.name for intent in intents])
    replica.trees.collect(replica.index.versions())
    return kept


def _settle(replica: Replica, intent: Intent, placed: bool) -> list[str]:
    """Deal with what lies in staging because of ``intent``; returns what was kept aside."""
    kept = []
    for name in (old_name(intent.name), intent.name):
        status = replica.staging.lstat(name)
        if status is None or (not placed and _is_staged(status, intent)):
            continue  # it goes on as an old file
        at_path = replica.root.lstat(intent.change.path)
        if at_path is not None and at_path.st_ino == status.st_ino:
            replica.staging.remove(name)  # a second link of what is in its place
        elif at_path is not None or name == intent.name or not _put_back(replica, intent, name):
            kept.append(put_away(replica, intent, name, prove=True))
    return [each for each in kept if each]


def _put_back(replica: Replica, intent: Intent, name: str) -> bool:
    """Where names cannot be exchanged, a crash may leave the path empty: the old entry returns."""
    try:
        with replica.root.parent(intent.change.path) as (fd, target):
            move_new(replica.staging.fd, name, fd, target)
    except (FileNotFoundError, NotADirectoryError, FileExistsError):
        return False
    return True


def _placed(replica: Replica, intent: Intent) -> list[Record]:
    """What to record, unless a later commit has recorded more of the same entry."""
    assert intent.staged is not None
    if not intent.announced or _known(replica, intent):
        return []
    return [Record(intent.change, unproven(intent.staged))]


def _hidden(replica: Replica, intent: Intent) -> list[str]:
    """Paths whose records ended when the entry was placed."""
    if _known(replica, intent):
        return []
    if not intent.announced:
        return [intent.change.path]
    if intent.change.kind is Kind.DIRECTORY:
        return []
    return [record.change.path for record in replica.index.beneath(intent.change.path)]


def _known(replica: Replica, intent: Intent) -> bool:
    existing = replica.index.get(intent.change.path)
    return (
        existing is not None
        and intent.staged is not None
        and existing.fingerprint.ino == intent.staged.ino
    )


def _is_staged(status: os.stat_result | None, intent: Intent) -> bool:
    """Whether this is the very inode that was staged."""
    return (
        intent.staged is not None
        and status is not None
        and (status.st_ino, stat.S_IFMT(status.st_mode))
        == (intent.staged.ino, stat.S_IFMT(intent.staged.mode))
    )


def _sweep(replica: Replica, name: str) -> list[str]:
    """What no intent speaks of was never in the tree: files are old bytes, the rest goes.

    A directory of ours is empty; one that is not was not made here, and is kept.
    """
    status = replica.staging.lstat(name)
    if status is not None and stat.S_ISDIR(status.st_mode):
        try:
            replica.staging.remove(name)
        except OSError:
            return [replica.conflicts.keep(replica.staging.fd, name, f"staging/{name}")]
        return []
    replica.staging.leave(name)
    return []
