"""How many deletions a replica believes: the mass-deletion guard of batches and snapshots."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence

from protocol.messages import Change, Kind
from pyzsync_daemon.client.index import Record
from pyzsync_daemon.client.replica import Replica
from pyzsync_daemon.client.shelf import Shelf
from pyzsync_daemon.guard import DeletionGuard, Halt


class Deletions:
    """Batches are summed over a time; a snapshot is judged as a whole. Any thread may ask."""

    def __init__(self, replica: Replica, shelf: Shelf) -> None:
        self._replica = replica
        self._shelf = shelf
        self._lock = threading.Lock()
        self._guard = self._new_guard()

    def batch(self, changes: Sequence[Change], records: Mapping[str, Record]) -> Halt | None:
        """Why the deletions among these changes are not believed; None if they are.

        What appears with them, or is on its way, is set off: moving a tree is no deletion.
        """
        absent = [change for change in changes if change.kind is Kind.ABSENT]
        gone = sum(change.path in records for change in absent)
        if not gone or self._replica.settings.allow_mass_delete:
            return None
        new = [change for change in changes if change.path not in records]
        created = sum(change.kind is not Kind.ABSENT for change in new)
        with self._lock:
            appeared = created + self._shelf.appearing()
            return self._guard.check(self._now(), self._replica.index.count(), gone, appeared)

    def snapshot(self, named: int, gone: int) -> Halt | None:
        """Why it is not believed that ``gone`` records are not among the ``named`` paths."""
        if self._replica.settings.allow_mass_delete:
            return None
        entries = self._replica.index.count()
        appeared = max(0, named - (entries - gone))
        return self._new_guard().check(self._now(), entries, gone, appeared)

    def _new_guard(self) -> DeletionGuard:
        settings = self._replica.settings
        return DeletionGuard(
            settings.deletion_share, settings.deletion_floor, settings.deletion_window
        )

    def _now(self) -> float:
        return self._replica.clock() / 1e9
