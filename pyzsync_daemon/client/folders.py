"""The directories that a commit works in.

Those that are missing, or have something else in their place, become entries of the batch.
Those that forbid writing are opened for it. Afterwards each gets back the mode and mtime that the
hub gave it, and all are synced.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Mapping

from protocol.messages import Change, Kind
from pyzsync_daemon.client.attic import ATTIC
from pyzsync_daemon.client.compare import examine
from pyzsync_daemon.client.entry import Action, Entry
from pyzsync_daemon.client.metadata import settle_directory
from pyzsync_daemon.client.replica import Replica
from pyzsync_daemon.client.staging import STAGING
from pyzsync_daemon.files.root import Fingerprint
from pyzsync_daemon.files.syscalls import syncfs

_WORKABLE = 0o300  # write and search
_NEW_MODE = 0o755  # until the hub's own announcement of it comes


def parent_of(path: str) -> str:
    """The directory that ``path`` is in; empty for the root."""
    return path.rpartition("/")[0]


class Folders:
    """The directories of one batch."""

    def __init__(self, replica: Replica) -> None:
        self.replica = replica
        self._entered: dict[str, int | None] = {}  # path -> mode to give back, if it was opened

    def missing(self, creations: Iterable[Change]) -> list[Entry]:
        """Entries for the directories on the way to these changes that are not there.

        Something else in their place is displaced, as by any other replacement, if policy lets it.
        """
        known = {change.path for change in creations}
        entries = []
        for path in sorted(known):
            parts = path.split("/")[:-1]
            for depth in range(1, len(parts) + 1):
                parent = "/".join(parts[:depth])
                if parent not in known:
                    known.add(parent)
                    entries += self._missing(parent)
        return entries

    def enter(self, path: str) -> None:
        """A name in the directory ``path`` is about to change. Raises ``OSError``."""
        if path in self._entered or not path:
            self._entered.setdefault(path, None)
            return
        with self.replica.root.directory(path) as fd:
            mode = stat.S_IMODE(os.fstat(fd).st_mode)
            if mode & _WORKABLE != _WORKABLE:
                os.fchmod(fd, mode | _WORKABLE)
                self._entered[path] = mode
            else:
                self._entered[path] = None

    def finish(self, given: Mapping[str, Change]) -> dict[str, Fingerprint | OSError]:
        """Set modes and times: of directories ``given`` by the batch, and of those entered.

        Returns the fingerprints of those that are there, or why they could not be set.
        """
        records = self.replica.index.lookup(list(self._entered))
        found: dict[str, Fingerprint | OSError] = {}
        for path in {**self._entered, **given}:
            recorded = records[path].change if path in records else None
            change = given.get(path, recorded)
            if change is None or change.kind is not Kind.DIRECTORY or not change.seq:
                mode, mtime_ns = self._entered.get(path), None
            else:
                mode, mtime_ns = change.mode, change.mtime_ns
            try:
                with self.replica.root.directory(path) as fd:
                    found[path] = settle_directory(fd, mode, mtime_ns)
            except (FileNotFoundError, NotADirectoryError):
                continue  # removed by this very batch, or by somebody else
            except OSError as error:
                found[path] = error
        return found

    def sync(self, each: int) -> None:
        """Make all names durable: one by one up to ``each`` directories (0: all at once)."""
        if len(self._entered) > each:
            syncfs(self.replica.root.fd)
            return
        for path in [*self._entered, STAGING, ATTIC]:
            try:
                with self.replica.root.directory(path) as fd:
                    os.fsync(fd)
            except (FileNotFoundError, NotADirectoryError):
                continue

    def _missing(self, path: str) -> list[Entry]:
        status = self.replica.root.lstat(path)
        if status is not None and stat.S_ISDIR(status.st_mode):
            return []
        local = examine(self.replica, path, self.replica.index.get(path))
        change = Change(seq=0, path=path, kind=Kind.DIRECTORY, mode=_NEW_MODE)
        name = self.replica.staging.new_directory(path)
        return [Entry(change, Action.PLACE, local, name, announced=False)]
