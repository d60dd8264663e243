"""Comparing announced changes with the disk, and staging what needs no bytes from the hub.

Nothing in the tree is changed here: what is not yet as announced becomes an entry for ``commit``
or a pull. What already is as announced is recorded, so a directory that was filled by other means
is adopted without a transfer.
"""

from __future__ import annotations

import errno
import os
import sqlite3
from collections import Counter
from collections.abc import Mapping, Set
from dataclasses import dataclass, replace

from protocol.messages import Change, Kind
from pyzsync import EMPTY_VERSION
from pyzsync_daemon.client.compare import (
    Local,
    examine,
    kind_of,
    proven,
    same_metadata,
)
from pyzsync_daemon.client.displaced import all_ours
from pyzsync_daemon.client.effects import Outcome, State
from pyzsync_daemon.client.entry import Action, Entry, explain
from pyzsync_daemon.client.pull import Pull
from pyzsync_daemon.client.records import Record
from pyzsync_daemon.client.replica import Replica
from pyzsync_daemon.client.sources import OldBytes, OldFile, stage_copy
from pyzsync_daemon.client.stagedfile import StagedFile

# A sparse file may be larger than the disk, within reason: its length sizes what we keep of it.
_SPARSE_FACTOR = 16


@dataclass(frozen=True, slots=True)
class Judged:
    """What became of one change: its outcome, and what it left to be done.

    ``record``: write it, or (``forget``) drop the path's.
    """

    outcome: Outcome
    entry: Entry | None = None
    pull: Pull[StagedFile] | None = None
    record: Record | None = None
    forget: bool = False


class Preparation:
    """Judges the changes of one ``Prepare``.

    ``staged``: entries that are ready already; ``reserved``: bytes that running pulls may yet take,
    those of sparse files (True) apart; ``here``: versions that files of the tree have.
    """

    def __init__(
        self,
        replica: Replica,
        records: Mapping[str, Record],
        staged: Mapping[str, Entry],
        reserved: Counter[bool],
        here: Set[bytes],
    ) -> None:
        self._replica = replica
        self._records = records
        self._staged = staged
        self._reserved = reserved
        self._here = here
        self._disk: os.statvfs_result | None = None  # its room, while nothing is written

    def judge(self, change: Change) -> Judged:
        """Compare one change with the disk."""
        record = self._records.get(change.path)
        try:
            local = examine(self._replica, change.path, record)
            refusal = self._refusal(change, local, record)
            if refusal:
                return Judged(Outcome(change, State.REFUSED, error=refusal))
            if change.kind is Kind.ABSENT:
                return self._absent(change, local, record)
            if self._is_right(change, local):
                return self._right(change, local, record)
            if change.kind is Kind.FILE:
                return self._file(change, local)
            return self._other(change, local)
        except OSError as error:
            return Judged(Outcome(change, State.FAILED, error=explain(error, change.path)))

    # --- what is right already --------------------------------------------------------------------

    def _is_right(self, change: Change, local: Local) -> bool:
        """Whether the content is as announced (mode and times aside)."""
        if not local.is_a(change.kind):
            return False
        if change.kind is Kind.FILE:
            return local.version == change.version
        if change.kind is Kind.SYMLINK:
            return self._replica.root.readlink(change.path) == change.target
        return True

    def _right(self, change: Change, local: Local, record: Record | None) -> Judged:
        assert local.fingerprint is not None
        if same_metadata(change, local.fingerprint):
            found = local.fingerprint
            if record is None or record.fingerprint != found:
                found = proven(found, self._replica.clock())
            return self._satisfied(change, record=Record(change, found))
        return self._ready(Entry(change, Action.TOUCH, local))

    # --- what has to be made ----------------------------------------------------------------------

    def _file(self, change: Change, local: Local) -> Judged:
        staged = self._staged.get(change.path)
        if (
            staged is not None
            and staged.serves(change)
            and self._replica.staging.lstat(staged.name)
        ):
            name = staged.name
            if local.fingerprint is not None:
                name = self._replica.staging.whole(name)
            return self._ready(replace(staged, change=change, local=local, name=name))
        if not change.size and change.version != EMPTY_VERSION:
            raise OSError(errno.EBADMSG, "announced as empty, with the version of other bytes")
        if not change.size:
            staging = self._replica.staging
            name = staging.part(change.path, change.version)
            staging.fill(name, b"", change)
            name = staging.whole(name)
            return self._ready(Entry(change, Action.PLACE, local, name))
        missing = self._missing_room(change) and self._make_room(change)
        if missing:
            return Judged(Outcome(change, State.FAILED, error=missing))
        copy = self._copy(change)
        if copy is not None:
            return self._ready(Entry(change, Action.PLACE, local, copy, reused=change.size))
        return self._pull(change, local)

    def _copy(self, change: Change) -> str | None:
        """Stage a version that is already here, if it is."""
        if change.version not in self._here and not self._replica.attic.find(change.version):
            return None
        self._disk = None
        return stage_copy(self._replica, change)

    def _pull(self, change: Change, local: Local) -> Judged:
        staging = self._replica.staging
        name = staging.part(change.path, change.version)
        remains = staging.take_remains(change.path)
        old = [OldFile(each, _size(staging.lstat(each)), staged=True) for each in remains]
        if local.is_a(Kind.FILE) and local.fingerprint is not None:
            size, version = local.fingerprint.size, local.version
            old.insert(0, OldFile(change.path, size, version=version, given=local.ours))
        self._reserved[change.sparse] += change.size
        files = tuple(file for file in old if file.length)
        resumes = any(staging.has_most(each, change.version) for each in remains)
        pull = Pull(staging, change, name, OldBytes(self._replica, files), resumes)
        outcome = Outcome(change, State.PULL, pull.plan(), _unknown(local))
        entry = Entry(change, Action.PLACE, local, name, remains=tuple(remains))
        return Judged(outcome, entry, pull)

    def _other(self, change: Change, local: Local) -> Judged:
        staging = self._replica.staging
        if change.kind is Kind.DIRECTORY:
            name = staging.new_directory(change.path)
        else:
            name = staging.new_symlink(change.path, change.target)
        return self._ready(Entry(change, Action.PLACE, local, name))

    def _absent(self, change: Change, local: Local, record: Record | None) -> Judged:
        """A path that holds what was never published is left alone, unless mirror mode is on."""
        if local.fingerprint is None:
            return self._satisfied(change, forget=record is not None)
        if not self._replica.settings.mirror and (
            record is None or kind_of(local.fingerprint.mode) is not record.change.kind
        ):
            return self._satisfied(change, forget=record is not None)
        name = self._replica.staging.name(change.path)
        return self._ready(Entry(change, Action.REMOVE, local, name))

    def _satisfied(
        self, change: Change, record: Record | None = None, forget: bool = False
    ) -> Judged:
        for name in self._replica.staging.take_remains(change.path):
            self._replica.staging.remove(name)
        return Judged(Outcome(change, State.SATISFIED), record=record, forget=forget)

    def _ready(self, entry: Entry) -> Judged:
        """What earlier transfers of the path left is of no more use once this one is in place."""
        local = _unknown(entry.local) if entry.action is not Action.TOUCH else b""
        left = self._replica.staging.take_remains(entry.change.path)
        entry = replace(entry, remains=(*entry.remains, *left))
        return Judged(Outcome(entry.change, State.READY, local=local), entry)

    # --- what must not be -------------------------------------------------------------------------

    def _refusal(self, change: Change, local: Local, record: Record | None) -> str:
        """Why the policy leaves the path as it is; empty if it does not.

        A file at a path that has no record may be an old version of the hub's: that is asked first,
        and decided by the commit.
        """
        if self._replica.settings.conflict != "refuse" or local.fingerprint is None:
            return ""
        if change.kind is not Kind.ABSENT and self._is_right(change, local):
            return ""
        if local.is_a(Kind.DIRECTORY):
            if change.kind is Kind.ABSENT or all_ours(self._replica, change.path):
                return ""
            return f"{change.path}: holds local files, and conflicts are refused"
        if local.ours:
            return ""
        if record is None and (local.version or change.kind is Kind.ABSENT):
            return ""
        return f"{change.path}: was changed locally, and conflicts are refused"

    def _make_room(self, change: Change) -> str:
        """What earlier tries left of this very path must not be what it has no room for."""
        staging = self._replica.staging
        left = staging.take_remains(change.path)
        missing = self._missing_room(change, sum(staging.filled(name) for name in left))
        for name in left:
            if missing:
                staging.leave(name)
            else:
                staging.remove(name)
        return missing

    def _missing_room(self, change: Change, more: int = 0) -> str:
        """Whether the file fits on the disk if ``more`` bytes go; a sentence if it does not."""
        self._disk = disk = self._disk or os.statvfs(self._replica.root.fd)
        sparse = change.sparse
        free = disk.f_blocks * _SPARSE_FACTOR if sparse else disk.f_bavail
        free = free * disk.f_frsize + more - self._reserved[sparse]
        if change.size <= free:
            return ""
        return (
            f"{change.path}: needs {change.size:,} bytes of disk, "
            f"{change.size - max(free, 0):,} more than are free; make room, it is tried again"
        )


def _unknown(local: Local) -> bytes:
    """The version of a file that the hub did not give, to be asked about."""
    return b"" if local.ours else local.version


def _size(status: os.stat_result | None) -> int:
    return status.st_size if status is not None else 0


def unrecorded(judged: Judged, error: sqlite3.Error) -> Judged:
    """What counts as satisfied has to be recorded; the rest can go on."""
    change = judged.outcome.change
    if judged.outcome.state is not State.SATISFIED:
        return judged
    return Judged(Outcome(change, State.FAILED, error=explain(error, change.path)))
