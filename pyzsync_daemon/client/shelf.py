"""What is under way between ``Prepare`` and ``Commit``: pulls, and entries that are ready."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import replace

from protocol.messages import Change, Kind
from pyzsync_daemon.client.entry import Action, Entry
from pyzsync_daemon.client.place import Item
from pyzsync_daemon.client.pull import Pull
from pyzsync_daemon.client.stagedfile import StagedFile
from pyzsync_daemon.client.staging import Staging


class Shelf:
    """At most one entry a path. Any thread may use it."""

    def __init__(self, staging: Staging) -> None:
        self._staging = staging
        self._lock = threading.Lock()
        self._entries: dict[str, Entry] = {}
        self._pulls: dict[str, Pull[StagedFile]] = {}

    def entry(self, path: str) -> Entry | None:
        """What is ready for the path."""
        with self._lock:
            return None if path in self._pulls else self._entries.get(path)

    def pull(self, change: Change) -> Pull[StagedFile] | None:
        """The running transfer of this version to this path."""
        with self._lock:
            pull = self._pulls.get(change.path)
        return pull if pull is not None and pull.change.version == change.version else None

    def paths(self) -> set[str]:
        """The paths of everything here."""
        with self._lock:
            return set(self._entries)

    def appearing(self) -> int:
        """How many entries are about to appear where nothing is."""
        with self._lock:
            entries = list(self._entries.values())
        return sum(entry.local.fingerprint is None for entry in entries)

    def reserved(self) -> Counter[bool]:
        """Bytes that running transfers have yet to fill; those of sparse files (True) apart."""
        with self._lock:
            pulls = list(self._pulls.values())
        open_bytes: Counter[bool] = Counter()
        for pull in pulls:
            filled = self._staging.filled(pull.name) if pull.begun else 0
            unwritten = pull.change.size - filled
            open_bytes[pull.change.sparse] += max(0, unwritten)
        return open_bytes

    def put(self, path: str, entry: Entry | None, pull: Pull[StagedFile] | None) -> None:
        """Take what was prepared; what was here before becomes old bytes, unless it is the same."""
        with self._lock:
            before = self._entries.pop(path, None)
            self._pulls.pop(path, None)
            if entry is not None:
                self._entries[path] = entry
            if pull is not None:
                self._pulls[path] = pull
        if before is not None and (entry is None or before.name != entry.name):
            used = entry.remains if entry is not None else ()
            self._leave([name for name in (*before.remains, before.name) if name not in used])

    def complete(self, change: Change) -> None:
        """The transfer is verified: its entry is ready."""
        with self._lock:
            entry = self._entries[change.path]
            name = entry.name  # it changes places with nothing: a rename would be for nothing
            if entry.local.fingerprint is not None:
                name = self._staging.whole(name)
            pull = self._pulls.pop(change.path)
            reused = max(0, change.size - pull.fetched)  # a leaf may have been fetched twice
            self._entries[change.path] = replace(
                entry, name=name, fetched=pull.fetched, reused=reused
            )

    def committed(self, item: Item) -> None:
        """What a commit made of an entry: done, or (a file whose path moved on) to be tried again.

        After an error a staged file is not used as it is: what could not be synced once may seem
        to be synced the next time.
        """
        entry, path = item.entry, item.change.path
        file = entry.action is Action.PLACE and entry.change.kind is Kind.FILE
        if item.overtaken and not item.unsettled and file:
            return
        with self._lock:
            del self._entries[path]
        if item.sound:
            return
        # Something displaced may have the entry's name now.
        self._leave(entry.remains if item.unsettled else (*entry.remains, entry.name))

    def _leave(self, names: tuple[str, ...] | list[str]) -> None:
        for name in names:
            if name:
                self._staging.leave(name)
