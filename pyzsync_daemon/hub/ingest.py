"""From what a scan finds to committed batches: the publisher's blocking work.

What a scan found is a *group*: paths that appeared or changed, and records of what is gone. Groups
are worked off in chunks, so that an edit does not wait for the ten thousand files before it: the
newest group goes first. A group's deletions come after all its creations, so that a client still
has the bytes of what was moved. ``survey`` and ``read`` may run beside everything else; the other
methods are for one thread at a time.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from stat import S_ISDIR

import structlog

from protocol.messages import Change, Kind
from pyzsync_daemon.files.root import Root
from pyzsync_daemon.files.trees import TreeStore
from pyzsync_daemon.guard import DeletionGuard
from pyzsync_daemon.hub.hashing import Unreadable, Unsettled, read_entry, seconds_racy
from pyzsync_daemon.hub.index import HubIndex
from pyzsync_daemon.hub.publishing import MIB, Halted, PublisherSettings
from pyzsync_daemon.hub.records import Batch, Record
from pyzsync_daemon.hub.scan import Observed, Scan, kind_of, scan
from pyzsync_daemon.ignore import Ignore

CHUNK_FILES = 256
CHUNK_BYTES = 8 * MIB
"""A chunk ends with the file that reaches either: it takes a few tens of milliseconds."""

Reading = Record | Unsettled | Unreadable

_log = structlog.get_logger(__name__)


class Stopped(Exception):
    """The daemon stops in the middle of a file."""


@dataclass(frozen=True, slots=True)
class Taken:
    """A group was queued. ``big`` files are not in it: they are read on a lane of their own.

    ``paths`` are all that differ; ``arrived`` are new directories: what is put in them at this
    moment may have no event.
    """

    paths: frozenset[str] = frozenset()
    big: tuple[Observed, ...] = ()
    problems: tuple[tuple[str, str], ...] = ()
    arrived: tuple[str, ...] = ()
    whole: bool = False  # the whole tree was scanned


@dataclass(frozen=True, slots=True)
class Step:
    """What a chunk, or the ``big`` file, came to; ``since``: when its first path was noticed."""

    batch: Batch
    since: float
    unsettled: tuple[str, ...] = ()
    problems: tuple[tuple[str, str], ...] = ()
    racy: tuple[str, ...] = ()
    big: str = ""


@dataclass(slots=True, eq=False)
class _Group:
    pending: deque[Observed]
    removed: list[Record]
    since: float


class Ingest:
    """Brings ``index`` and ``store`` up to date with ``root``.

    ``step`` is called with a file's path after each window read of it: the place where tests
    change the file.
    """

    def __init__(
        self,
        root: Root,
        ignore: Ignore,
        index: HubIndex,
        store: TreeStore,
        settings: PublisherSettings,
        step: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.stopping = threading.Event()
        self._root = root
        self._ignore = ignore
        self._index = index
        self._store = store
        self._big_bytes = settings.big_bytes
        self._guard = DeletionGuard(settings.deletion_share, settings.deletion_floor)
        self._believe = settings.allow_mass_delete
        self._step = step
        self._groups: deque[_Group] = deque()
        self._turn = 0
        self._collected: int | None = None

    @property
    def busy(self) -> bool:
        """Whether ``work`` has something to do."""
        return bool(self._groups)

    # --- beside everything else ------------------------------------------------------------------

    def survey(self) -> tuple[Scan, bool]:
        """Scan the whole tree, and say whether another directory is the root now.

        The first time also files are found whose trees were lost. Trees that nobody needs any more
        are dropped on the way. ``Halted`` if there is no root.
        """
        reopened = self._reopen()
        position = self._index.position().seq
        if self._collected is None:
            trees = frozenset(self._store.versions())
            found = scan(self._root, self._ignore, self._index, has_tree=trees.__contains__)
        else:
            found = scan(self._root, self._ignore, self._index)
        if position != self._collected:
            self._store.collect(self._index.versions_to_keep())
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

    def read_big(self, observed: Observed) -> Reading:
        """``read``, but not before the result can be relied on: it is not to be done twice."""
        self.stopping.wait(seconds_racy(observed.fingerprint))
        return self.read(observed)

    def read(self, observed: Observed) -> Reading:
        """What is to be published of ``observed``; ``Stopped`` soon after ``stopping`` is set."""

        def between() -> None:
            if self.stopping.is_set():
                raise Stopped
            self._step(observed.path)

        return read_entry(self._root, observed, self._store, step=between)

    # --- one at a time ---------------------------------------------------------------------------

    def examine(self, paths: Collection[str], suspects: Collection[str], since: float) -> Taken:
        """Scan some paths and queue what was found. ``Halted`` if the root or the guard says no."""
        self._require_root()
        found = scan(self._root, self._ignore, self._index, paths, suspects=suspects)
        return self._take(found, since, whole=False)

    def accept(self, found: Scan, since: float) -> Taken:
        """Queue what ``survey`` found. ``Halted`` if the root or the guard says no."""
        self._require_root()
        return self._take(found, since, whole=True)

    def work(self) -> Step:
        """Read and commit the next chunk."""
        self._turn += 1
        # One turn in four is the oldest group's, or a busy tree would never be done with it.
        group = self._groups[0 if self._turn % 4 else -1]
        records, unsettled, problems = self._read_chunk(group.pending)
        if not group.pending:
            records += self._still_gone(record.change.path for record in group.removed)
            self._groups.remove(group)
        return self._commit(records, group.since, unsettled, problems)

    def finish(self, observed: Observed, reading: Reading, since: float) -> Step:
        """Commit a big file, together with the deletion of its old name."""
        path, origin = observed.path, observed.moved_from
        if isinstance(reading, Record):
            gone = self._still_gone([origin] if origin else [])
            return self._commit([reading, *gone], since, [], [], big=path)
        # The old name is looked at again too: its deletion has waited for this.
        again = [origin] if origin else []
        if isinstance(reading, Unsettled):
            return self._commit([], since, [path, *again], [], big=path)
        return self._commit([], since, again, [(path, reading.reason)], big=path)

    def abandon(self) -> None:
        """Forget all groups: the whole tree will be scanned."""
        self._groups.clear()

    def _require_root(self) -> None:
        if not self._root.present():
            raise Halted(f"the root {self._root.path} is gone, or is another directory now")

    def _take(self, found: Scan, since: float, *, whole: bool) -> Taken:
        removed = self._live(found.removed)
        self._ask_guard(len(removed), found.appeared)
        big = tuple(observed for observed in found.changed if self._is_big(observed))
        held = {observed.moved_from for observed in big}
        group = _Group(
            deque(observed for observed in found.changed if not self._is_big(observed)),
            [record for record in removed if record.change.path not in held],
            since,
        )
        if group.pending or group.removed:
            (self._groups.append if whole else self._groups.appendleft)(group)
        paths = frozenset(observed.path for observed in found.changed)
        return Taken(paths, big, found.skipped, found.arrived, whole)

    def _ask_guard(self, vanished: int, appeared: int) -> None:
        halt = self._guard.check(time.monotonic(), self._index.live, vanished, appeared)
        if halt is None:
            return
        if not self._believe:
            raise Halted(f"{halt}; if that was meant, start the hub once with allow_mass_delete")
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

    def _read_chunk(
        self, pending: deque[Observed]
    ) -> tuple[list[Record], list[str], list[tuple[str, str]]]:
        records: list[Record] = []
        unsettled: list[str] = []
        problems: list[tuple[str, str]] = []
        size = 0
        while pending and len(records) < CHUNK_FILES and size < CHUNK_BYTES:
            observed = pending.popleft()
            reading = self.read(observed)
            if isinstance(reading, Record):
                records.append(reading)
                size += reading.change.size
            elif isinstance(reading, Unsettled):
                unsettled.append(reading.path)
            else:
                problems.append((reading.path, reading.reason))
        return records, unsettled, problems

    def _still_gone(self, paths: Iterable[str]) -> list[Record]:
        """Deletions of the paths at which there is, now too, nothing to publish."""
        if not self._root.present():
            return []  # and the next scan will say so
        gone = []
        for path in paths:
            status = self._root.lstat(path)
            if (
                status is None
                or kind_of(status) is None
                or self._ignore.ignores(path, S_ISDIR(status.st_mode))
            ):
                gone.append(Record(Change(0, path, Kind.ABSENT)))
        return gone

    def _commit(
        self,
        records: list[Record],
        since: float,
        unsettled: list[str],
        problems: list[tuple[str, str]],
        big: str = "",
    ) -> Step:
        batch = self._index.commit(records)
        # What was only looked at again, and is racy still, can wait for the next scan.
        announced = {change.path for change in batch.changes}
        racy = tuple(r.change.path for r in records if r.racy and r.change.path in announced)
        return Step(batch, since, tuple(unsettled), tuple(problems), racy, big)
