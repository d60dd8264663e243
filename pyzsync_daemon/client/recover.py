"""After a crash: what was begun is finished or undone, and staging is tidied.

A crash can fall between any two steps of ``commit``. For each intent that is left, three questions
decide, and none needs a guess, since inodes in staging are ours alone:

    is the staged inode at the path?        then it was placed: record it
    is it still under its staging name?     then nothing happened: it becomes an old file
    is something else under that name       it was displaced: the hub's goes to the attic, anything
    (or under ``.old``)?                    else aside; if the path is empty it goes back there

What else lies in staging is told by its name (``staging``), so that not even a lost index loses
anybody's content.

Whatever happened after the crash is the user's. Nothing recorded here is trusted to be unchanged:
the next look reads the content. Running it twice, or crashing in it, does no harm.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, field

from protocol.messages import Change, Kind
from pyzsync_daemon.client.compare import unproven
from pyzsync_daemon.client.displaced import put_away, version_at
from pyzsync_daemon.client.entry import explain
from pyzsync_daemon.client.records import Intent, Record
from pyzsync_daemon.client.replica import Replica
from pyzsync_daemon.client.staging import PART, STAGING, stands_for, version_of_link
from pyzsync_daemon.files.moves import move_new, old_name
from pyzsync_daemon.files.syscalls import syncfs


@dataclass(slots=True)
class Recovered:
    """What was ``kept`` aside, and what could not be dealt with (``failed``: a sentence each)."""

    kept: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)


def recover(replica: Replica) -> Recovered:
    """Finish or undo what the last process left.

    What the disk refuses for one path does not hold up the others: it stays as it is, and the next
    start tries again. Raises ``OSError`` or ``sqlite3.Error`` if that cannot be written down.
    """
    intents = replica.index.intents()
    result = Recovered()
    records: list[Record] = []
    gone: list[str] = []
    deleted: list[Change] = []
    done: list[str] = []
    for intent in intents:
        try:
            placed = _is_staged(replica.root.lstat(intent.change.path), intent)
            if placed:
                records += _placed(replica, intent)
                gone += _hidden(replica, intent)
            elif _removed(replica, intent):
                deleted.append(intent.change)
            result.kept += _settle(replica, intent, placed)
        except OSError as error:
            result.failed.append(explain(error, intent.change.path))
        else:
            done.append(intent.name)
    waiting = {each for intent in intents for each in (intent.name, old_name(intent.name))}
    waiting -= {each for name in done for each in (name, old_name(name))}
    for name in replica.staging.names():
        if name not in waiting:
            _sweep(replica, name, result)
    if intents or result.kept:
        syncfs(replica.root.fd)
    replica.index.record(records, gone, done, deleted)
    replica.trees.collect(replica.index.versions())
    return result


def _removed(replica: Replica, intent: Intent) -> bool:
    kind, path = intent.change.kind, intent.change.path
    return kind is Kind.ABSENT and replica.root.lstat(path) is None


def _settle(replica: Replica, intent: Intent, placed: bool) -> list[str]:
    """Deal with what lies in staging because of ``intent``; returns what was kept aside."""
    kept = []
    for name in (old_name(intent.name), intent.name):
        status = replica.staging.lstat(name)
        if status is None:
            continue
        if not placed and _is_staged(status, intent):
            replica.staging.give_up(name)  # it goes on as an old file
            continue
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
    if _known(replica, intent):
        return []
    return [Record(intent.change, unproven(intent.staged))]


def _hidden(replica: Replica, intent: Intent) -> list[str]:
    """Paths whose records ended when the entry was placed."""
    if _known(replica, intent) or intent.change.kind is Kind.DIRECTORY:
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


def _sweep(replica: Replica, name: str, result: Recovered) -> None:
    """What no intent speaks of: old bytes, or what we had made and not placed; then it is one more.

    Anything else may be somebody's own, displaced by a commit that no index tells of any more.
    """
    staging = replica.staging
    try:
        if _made_here(replica, name):
            staging.leave(name)
        else:
            result.kept.append(replica.conflicts.keep(staging.fd, name, f"staging/{name}"))
    except OSError as error:
        result.failed.append(explain(error, f"{STAGING}/{name}"))


def _made_here(replica: Replica, name: str) -> bool:
    """Whether an entry of staging never was in the tree, or is what its name says."""
    fd = replica.staging.fd
    status = os.stat(name, dir_fd=fd, follow_symlinks=False)
    if stat.S_ISDIR(status.st_mode):
        return _is_empty(fd, name)
    if name.endswith(PART):
        return True
    if stat.S_ISLNK(status.st_mode):
        return stands_for(name, version_of_link(os.readlink(name, dir_fd=fd)))
    return stat.S_ISREG(status.st_mode) and stands_for(name, version_at(fd, name))


def _is_empty(fd: int, name: str) -> bool:
    inner = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=fd)
    try:
        return not os.listdir(inner)
    finally:
        os.close(inner)
