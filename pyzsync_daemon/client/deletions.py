"""How many deletions a replica believes: the mass-deletion guard of what is announced.

Deletions are judged together with all others that were announced with them, before the first one is
prepared; prepared they are in small batches, each of them harmless. Once they are not believed,
none is, until the hub announces them over another connection.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Mapping

from protocol.messages import Kind
from pyzsync_daemon.client.effects import Prepare
from pyzsync_daemon.client.records import Record
from pyzsync_daemon.client.replica import Replica
from pyzsync_daemon.client.shelf import Shelf
from pyzsync_daemon.guard import DeletionGuard, Halt


class Deletions:
    """News are summed over a time; a snapshot is judged as a whole. Any thread may ask."""

    def __init__(self, replica: Replica, shelf: Shelf) -> None:
        self._replica = replica
        self._shelf = shelf
        self._lock = threading.Lock()
        self._guard = self._new_guard()
        self._believed: set[str] = set()  # deletions that are not done yet
        self._halt: Halt | None = None
        self._connection = 0  # over which what made ``_halt`` was announced

    def news(self, effect: Prepare, records: Mapping[str, Record]) -> Halt | None:
        """Why the deletions among the changes are not believed; None if they are.

        What appears with them, or is on its way, is set off: moving a tree is no deletion.
        ``records`` are those of the changes.
        """
        if self._replica.settings.allow_mass_delete:
            return None
        with self._lock:
            if effect.connection > self._connection:
                self._halt, self._connection = None, effect.connection
            gone = [each.path for each in effect.changes if each.kind is Kind.ABSENT]
            unheard = [path for path in gone if path in records and path not in self._believed]
            if (effect.deletions or unheard) and self._halt is None:
                self._halt = self._judge(effect, records, {*effect.deletions, *unheard})
            return self._halt

    def _judge(
        self, effect: Prepare, records: Mapping[str, Record], deletions: set[str]
    ) -> Halt | None:
        index = self._replica.index
        new = [each for each in effect.changes if each.path not in records]
        created = sum(each.kind is not Kind.ABSENT for each in new)
        waiting = len(effect.waiting) - len(index.lookup(effect.waiting))
        appeared = created + waiting + self._shelf.appearing()
        # What was believed and is not done yet does not count twice when it is announced again.
        self._believed = set(index.lookup(list(self._believed)))
        gone = set(index.lookup(list(deletions - self._believed)))
        halt = self._guard.check(self._replica.steady(), index.count(), len(gone), appeared)
        if halt is None:
            self._believed |= gone
        return halt

    def snapshot(self, named: int, gone: Collection[str]) -> Halt | None:
        """Why it is not believed that the records ``gone`` are not among ``named`` paths."""
        if self._replica.settings.allow_mass_delete:
            return None
        entries = self._replica.index.count()
        appeared = max(0, named - (entries - len(gone)))
        halt = self._new_guard().check(self._replica.steady(), entries, len(gone), appeared)
        if halt is None:
            with self._lock:
                self._believed.update(gone)
        return halt

    def _new_guard(self) -> DeletionGuard:
        settings = self._replica.settings
        return DeletionGuard(
            settings.deletion_share, settings.deletion_floor, settings.deletion_window
        )
