"""Comparing the tree on disk with the index: what differs, and what is gone.

A scan only finds paths; what is published of them is read again when they are hashed and committed,
so a scan may run beside other work and be late. Symlinks are entries and are never followed.
Whatever cannot be looked at stays as it is known: unreadable is not deleted.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass

from protocol.errors import BadPath
from protocol.messages import Kind
from protocol.paths import check_path
from pyzsync_daemon.files.root import Fingerprint, Root
from pyzsync_daemon.hub.lookup import Lookup
from pyzsync_daemon.hub.observed import Observed, count_moved, describe, kind_of, with_origins
from pyzsync_daemon.hub.records import Record
from pyzsync_daemon.ignore import Ignore


@dataclass(frozen=True, slots=True)
class Scan:
    """What a scan found. ``skipped``: path and reason of what cannot be published, and ``unread``
    those of them at which there may be something to publish.

    ``seen`` counts paths looked at, ``moved`` those of ``removed`` that are at another path now;
    ``arrived`` are the topmost of the new directories.
    """

    changed: tuple[Observed, ...]
    removed: tuple[Record, ...]
    skipped: tuple[tuple[str, str], ...]
    unread: frozenset[str]
    seen: int
    moved: int
    arrived: tuple[str, ...]


def scan(
    root: Root,
    ignore: Ignore,
    index: Lookup,
    paths: Iterable[str] | None = None,
    *,
    suspects: Iterable[str] = (),
    has_tree: Callable[[bytes], bool] = lambda _: True,
) -> Scan:
    """Compare ``paths``, each with all that is below it, or the whole tree.

    ``suspects`` are taken for changed whatever their fingerprint says, and so are files whose
    version ``has_tree`` does not know.
    """
    walk = _Walk(root, ignore, index, frozenset(suspects), has_tree)
    if paths is None:
        walk.directory("")
    else:
        walk.only(paths)
    return walk.result()


class _Unexamined(Exception):
    """The system does not say what is at a path."""


class _Walk:
    def __init__(
        self,
        root: Root,
        ignore: Ignore,
        index: Lookup,
        suspects: frozenset[str],
        has_tree: Callable[[bytes], bool],
    ) -> None:
        self._root = root
        self._ignore = ignore
        self._index = index
        self._suspects = suspects
        self._has_tree = has_tree
        self._sound: set[str] = set()  # directories on disk and in the index
        self._changed: dict[str, Observed] = {}
        self._removed: dict[str, Record] = {}
        self._skipped: list[tuple[str, str]] = []
        self._new: set[str] = set()  # directories
        self._unread: set[str] = set()
        self._seen = 0

    def result(self) -> Scan:
        return Scan(
            tuple(with_origins(self._changed.values(), self._removed.values(), self._has_tree)),
            tuple(self._removed.values()),
            tuple(self._skipped),
            frozenset(self._unread),
            self._seen,
            count_moved(self._changed.values(), self._removed.values()),
            tuple(path for path in self._new if path.rpartition("/")[0] not in self._new),
        )

    def directory(self, path: str) -> None:
        """Everything in a directory."""
        try:
            with self._root.directory(path) as fd, os.scandir(fd) as found:
                entries = [(entry.name, _status(entry)) for entry in found]
        except (FileNotFoundError, NotADirectoryError):
            return  # it went away meanwhile: there is an event for that
        except OSError as error:
            if not path:
                raise  # of a tree that cannot be read at all, nothing can be told
            self._refused(path, f"cannot be listed: {error.strerror}")
            return
        known = self._index.children(path)
        for name, status in entries:
            child = f"{path}/{name}" if path else name
            if status is None or self._ignore.ignores(child, stat.S_ISDIR(status.st_mode)):
                continue
            self._entry(child, status, known.pop(child, None))
        for record in known.values():
            self._gone(record)

    def only(self, paths: Iterable[str]) -> None:
        """Some paths, each with everything below it, and the directories that hold changes."""
        anchors = set()
        for path in paths:
            if not self._ignore.hides(path):
                with suppress(_Unexamined):
                    anchors.add(self._anchor(path))
        for anchor in anchors:
            if anchors.isdisjoint(_parents(anchor)):
                with suppress(_Unexamined):
                    self._look(anchor)
        # A directory's time moves with its entries and says nothing on its own, so it is looked at
        # only where something was found.
        found = self._changed.keys() | self._removed.keys()
        for parent in {path.rpartition("/")[0] for path in found} - found - {""}:
            with suppress(_Unexamined):
                both = self._directory_at(parent)
                if both is not None:
                    self._compare_directory(parent, *both)

    def _anchor(self, path: str) -> str:
        """The topmost directory above ``path`` that is new, gone or something else now, or it."""
        for parent in _parents(path):
            if parent not in self._sound:
                if self._directory_at(parent) is None:
                    return parent
                self._sound.add(parent)
        return path

    def _directory_at(self, path: str) -> tuple[os.stat_result, Record] | None:
        """What disk and index say of ``path``, if it is a directory for both."""
        status, record = self._lstat(path), self._index.get(path)
        if record is None or record.change.kind is not Kind.DIRECTORY:
            return None
        return (status, record) if status and stat.S_ISDIR(status.st_mode) else None

    def _look(self, path: str) -> None:
        status, record = self._lstat(path), self._index.get(path)
        if record is not None and record.change.kind is Kind.ABSENT:
            record = None
        if status is not None and not self._ignore.ignores(path, stat.S_ISDIR(status.st_mode)):
            self._entry(path, status, record)
        elif record is not None:
            self._gone(record)

    def _lstat(self, path: str) -> os.stat_result | None:
        try:
            return self._root.lstat(path)
        except OSError as error:
            self._refused(path, f"cannot be examined: {error.strerror}")
            raise _Unexamined from None

    def _refused(self, path: str, reason: str) -> None:
        self._skipped.append((path, reason))
        self._unread.add(path)

    def _entry(self, path: str, status: os.stat_result, record: Record | None) -> None:
        self._seen += 1
        kind = kind_of(status)
        if kind is None:
            self._skipped.append((path, "is a device, a pipe or a socket"))
            if record is not None:
                self._gone(record)
            return
        if record is None:
            try:
                check_path(path)
            except BadPath as error:
                self._skipped.append((path, error.why))
                return
        if kind is Kind.DIRECTORY:
            if record is None or record.change.kind is not Kind.DIRECTORY:
                self._new.add(path)
            self._compare_directory(path, status, record)
            self.directory(path)
            return
        if record is not None and record.change.kind is Kind.DIRECTORY:
            self._below_gone(path)
        fingerprint = Fingerprint.of(status)
        if not self._unchanged(path, kind, fingerprint, record):
            self._changed[path] = Observed(path, kind, fingerprint)

    def _compare_directory(self, path: str, status: os.stat_result, record: Record | None) -> None:
        seen = describe(path, status)
        if record is not None:
            known = record.change
            if (known.kind, known.mode, known.mtime_ns) == (seen.kind, seen.mode, seen.mtime_ns):
                return
        self._changed[path] = Observed(path, Kind.DIRECTORY, Fingerprint.of(status))

    def _unchanged(
        self, path: str, kind: Kind, fingerprint: Fingerprint, record: Record | None
    ) -> bool:
        return (
            record is not None
            and record.change.kind is kind
            and record.fingerprint == fingerprint
            and not record.racy
            and path not in self._suspects
            and (kind is not Kind.FILE or self._has_tree(record.change.version))
        )

    def _gone(self, record: Record) -> None:
        self._removed[record.change.path] = record
        if record.change.kind is Kind.DIRECTORY:
            self._below_gone(record.change.path)

    def _below_gone(self, path: str) -> None:
        self._removed.update((record.change.path, record) for record in self._index.subtree(path))


def _parents(path: str) -> Iterable[str]:
    """The directories above ``path``, topmost first, without the root."""
    end = path.find("/")
    while end >= 0:
        yield path[:end]
        end = path.find("/", end + 1)


def _status(entry: os.DirEntry[str]) -> os.stat_result | None:
    try:
        return entry.stat(follow_symlinks=False)
    except FileNotFoundError:
        return None
