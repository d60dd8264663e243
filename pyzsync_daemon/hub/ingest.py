"""From what a scan finds to committed batches: the publisher's blocking work.

What a scan found is a *group*: paths that appeared or changed, and records of what is gone. Groups
are worked off in chunks, so that an edit does not wait for the ten thousand files before it. A
group's deletions come after all its creations, so that a client still has the bytes of what was
moved. ``survey`` and ``read`` may run beside everything else; the other
methods are for one thread at a time.
"""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Iterable
from concurrent.futures import Executor
from contextlib import suppress
from dataclasses import replace
from stat import S_ISDIR

import structlog

from protocol.messages import Change, Kind
from pyzsync_daemon.files.root import Root
from pyzsync_daemon.files.trees import TreeStore
from pyzsync_daemon.guard import DeletionGuard, Halt
from pyzsync_daemon.hub.groups import Group, Groups
from pyzsync_daemon.hub.hashing import Unreadable, Unsettled, read_entry, seconds_racy
from pyzsync_daemon.hub.index import HubIndex
from pyzsync_daemon.hub.observed import Observed, kind_of
from pyzsync_daemon.hub.publishing import MIB, Halted, PublisherSettings, Step, Taken
from pyzsync_daemon.hub.pushes import PUSH_CHANGES
from pyzsync_daemon.hub.records import Record
from pyzsync_daemon.hub.rewrites import QUIET_S, Rewrites
from pyzsync_daemon.hub.scan import Scan, scan
from pyzsync_daemon.ignore import Ignore
from pyzsync_daemon.tally import Tally

CHUNK_FILES = PUSH_CHANGES  # so that what is committed together is pushed with its deltas
CHUNK_BYTES = 8 * MIB
"""A chunk ends with the file that reaches either: it takes a few tens of milliseconds."""

Reading = Record | Unsettled | Unreadable

_log = structlog.get_logger(__name__)


class Stopped(Exception):
    """The daemon stops in the middle of a file."""


class Ingest:
    """Brings ``index`` and ``store`` up to date with ``root``.

    ``step`` is called with a file's path after each window read of it: the place where tests
    change the file. ``cores``: threads that share the hashing of a file, none of which calls these
    methods. ``hashed`` counts files that were hashed from end to end.
    """

    def __init__(
        self,
        root: Root,
        ignore: Ignore,
        index: HubIndex,
        store: TreeStore,
        settings: PublisherSettings,
        step: Callable[[str], None] = lambda _: None,
        cores: Executor | None = None,
    ) -> None:
        self.stopping = threading.Event()
        self.hashed = Tally()
        self._root = root
        self._ignore = ignore
        self._index = index
        self._store = store
        self._big_bytes = settings.big_bytes
        self._older_bytes = settings.older_trees_bytes
        self._guard = DeletionGuard(settings.deletion_share, settings.deletion_floor)
        self._believe = settings.allow_mass_delete
        self._step = step
        self._cores = cores
        self._groups = Groups()
        self._rewrites = Rewrites()
        self._accepted = False
        self._collected = -1

    @property
    def busy(self) -> bool:
        """Whether ``work`` has something to do."""
        return bool(self._groups)

    # --- beside everything else ------------------------------------------------------------------

    def survey(self) -> tuple[Scan, bool]:
        """Scan the whole tree, and say whether another directory is the root now.

        The first time also files are found whose trees were lost. Trees that nobody needs any more
        are dropped on the way; those of older versions stay while they have room. ``Halted`` if
        there is no root.
        """
        reopened = self._reopen()
        position = self._index.position().seq
        if not self._accepted:
            trees = frozenset(self._store.versions())
            found = scan(self._root, self._ignore, self._index, has_tree=trees.__contains__)
        else:
            found = scan(self._root, self._ignore, self._index)
        if position != self._collected:
            older = self._index.versions_once()
            self._store.collect(self._index.versions_to_keep(), older, self._older_bytes)
            self._collected = position
        return found, reopened

    def _reopen(self) -> bool:
        if self._root.present():
            return False
        try:
            self._root.reopen()
        except OSError as error:
            raise Halted(f"the root {self._root.path} cannot be opened: {error.strerror}") from None
        return True

    def read_big(self, observed: Observed) -> tuple[Reading, float]:
        """``read``, and the seconds it took; but not before the result can be relied on, as it
        should not be done twice."""
        self.stopping.wait(seconds_racy(observed.fingerprint))
        began = time.monotonic()
        return self.read(observed), time.monotonic() - began

    def read(self, observed: Observed) -> Reading:
        """What is to be published of ``observed``; ``Stopped`` soon after ``stopping`` is set."""

        def between() -> None:
            if self.stopping.is_set():
                raise Stopped
            self._step(observed.path)

        reading = read_entry(self._root, observed, self._store, step=between, cores=self._cores)
        if isinstance(reading, Record) and reading.change.version != observed.version:
            self.hashed.add(reading.change.size)
        return reading

    # --- one at a time ---------------------------------------------------------------------------

    def examine(self, paths: Collection[str], suspects: Collection[str], since: float) -> Taken:
        """Scan some paths and queue what was found. ``Halted`` if the root or the guard says no."""
        self._require_root()
        found = scan(self._root, self._ignore, self._index, paths, suspects=suspects)
        return self._take(found, since, whole=False)

    def accept(self, found: Scan, since: float) -> Taken:
        """Queue what ``survey`` found. ``Halted`` if the root or the guard says no."""
        self._require_root()
        marker = _marker(self._root)
        taken = self._take(found, since, whole=True, other=self._index.root not in (b"", marker))
        self._index.set_root(marker)
        self._accepted = True
        return taken

    def work(self) -> Step:
        """Read and commit the next chunk."""
        group = self._groups.next()
        records, unsettled, problems = self._read_chunk(group)
        if group.pending:
            return self._commit(records, group.since, unsettled, problems)
        records += self._still_gone(record.change.path for record in group.removed)
        self._groups.done(group)
        return self._commit(records, group.since, unsettled, problems, group.arrived)

    def finish(self, observed: Observed, reading: Reading, since: float, seconds: float) -> Step:
        """Commit a big file that was read in ``seconds``, and the deletion of its old name."""
        origin = [observed.moved_from] if observed.moved_from else []
        if isinstance(reading, Record):
            step = self._commit([reading, *self._still_gone(origin)], since)
        elif isinstance(reading, Unsettled):
            # The old name is looked at again too: its deletion has waited for this.
            step = self._commit([], since, [reading.path, *origin])
        else:
            step = self._commit([], since, origin, [(reading.path, reading.reason)])
        return replace(step, big=observed.path, seconds=seconds)

    def abandon(self) -> None:
        """Forget all groups: the whole tree will be scanned."""
        self._groups.clear()

    def _require_root(self) -> None:
        if not self._root.present():
            raise Halted(f"the root {self._root.path} is gone, or is another directory now")

    def _take(self, found: Scan, since: float, *, whole: bool, other: bool = False) -> Taken:
        removed = self._live(found.removed)
        self._ask_guard(len(removed), found.moved, other)
        big = tuple(observed for observed in found.changed if self._is_big(observed))
        held = {observed.moved_from for observed in big}
        small = [observed for observed in found.changed if not self._is_big(observed)]
        # Directories first: until one is in the index, every event in it means to scan all of it.
        small.sort(key=lambda observed: observed.kind is not Kind.DIRECTORY)
        gone = [record for record in removed if record.change.path not in held]
        if small or gone:
            group = Group(deque(small), gone, found.arrived, since)
            self._groups.add(group, patient=whole)
        paths = frozenset(observed.path for observed in found.changed)
        return Taken(paths, big, found.skipped, whole, found.unread)

    def _ask_guard(self, vanished: int, moved: int, other: bool) -> None:
        """``other``: another directory is the root now. Then no number of deletions is small."""
        live = self._index.live
        if other and vanished > self._guard.share * live:
            halt: Halt | None = Halt(vanished, live, self._guard.share, 0)
        else:
            halt = self._guard.check(time.monotonic(), live, vanished, moved)
        if halt is None:
            return
        if not self._believe:
            where = "another directory is the root now, and " if other else ""
            way_out = "if that was meant, start the hub once with allow_mass_delete"
            raise Halted(f"{where}{halt}; {way_out}")
        _log.warning("mass deletion allowed", vanished=halt.vanished, entries=halt.entries)
        self._believe = False
        self._guard.forgive()

    def _live(self, records: Iterable[Record]) -> list[Record]:
        """Those that are still in the index: a survey may be late."""
        records = list(records)
        known = self._index.known(record.change.path for record in records)
        live = {path for path, record in known.items() if record.change.kind is not Kind.ABSENT}
        return [record for record in records if record.change.path in live]

    def _is_big(self, observed: Observed) -> bool:
        hashed = observed.kind is Kind.FILE and not observed.version
        return hashed and observed.fingerprint.size > self._big_bytes

    def _read_chunk(self, group: Group) -> tuple[list[Record], list[str], list[tuple[str, str]]]:
        records: list[Record] = []
        unsettled: list[str] = []
        problems: list[tuple[str, str]] = []
        size = 0
        while len(records) < CHUNK_FILES and size < CHUNK_BYTES:
            observed = self._groups.take(group)
            if observed is None:
                break
            reading = Unsettled(observed.path) if self._rewritten(observed) else self.read(observed)
            if isinstance(reading, Record):
                records.append(reading)
                size += reading.change.size
            elif isinstance(reading, Unsettled):
                unsettled.append(reading.path)
            else:
                problems.append((reading.path, reading.reason))
        return records, unsettled, problems

    def _rewritten(self, observed: Observed) -> bool:
        if observed.kind is not Kind.FILE:
            return False
        seen = observed.fingerprint
        age = (time.time_ns() - seen.ctime_ns) / 1e9
        record = self._index.get(observed.path) if age < QUIET_S else None
        known = record.fingerprint if record and record.change.kind is Kind.FILE else None
        return self._rewrites.under_way(observed.path, known, seen, age, time.monotonic())

    def _still_gone(self, paths: Iterable[str]) -> list[Record]:
        """Deletions of the paths at which there is, now too, nothing to publish."""
        if not self._root.present():
            return []  # and the next scan will say so
        gone = []
        for path in paths:
            with suppress(OSError):  # not to be examined is not to be gone
                if not self._is_published(path, self._root.lstat(path)):
                    gone.append(Record(Change(0, path, Kind.ABSENT)))
        return gone

    def _is_published(self, path: str, status: os.stat_result | None) -> bool:
        if status is None or kind_of(status) is None:
            return False
        return not self._ignore.ignores(path, S_ISDIR(status.st_mode))

    def _commit(
        self,
        records: list[Record],
        since: float,
        unsettled: Iterable[str] = (),
        problems: Iterable[tuple[str, str]] = (),
        arrived: Iterable[str] = (),
    ) -> Step:
        batch = self._index.commit(records)
        # What was only looked at again, and is racy still, can wait for the next scan.
        announced = {change.path for change in batch.changes}
        racy = (r.change.path for r in records if r.racy and r.change.path in announced)
        return Step(batch, since, tuple(unsettled), tuple(problems), (*racy, *arrived))


def _marker(root: Root) -> bytes:
    """Which directory the root is: its device and inode."""
    status = os.fstat(root.fd)
    return f"{status.st_dev}:{status.st_ino}".encode()
