"""Comparing the tree on disk with the index: what differs, and what is gone.

A scan only finds paths; what is published of them is read again when they are hashed and committed,
so a scan may run beside other work and be late. Symlinks are entries and are never followed.
Whatever cannot be looked at stays as it is known: unreadable is not deleted.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from protocol.errors import BadPath
from protocol.messages import Change, Flag, Kind
from protocol.paths import check_path
from pyzsync_daemon.files.root import Fingerprint, Root
from pyzsync_daemon.hub.lookup import Lookup
from pyzsync_daemon.hub.records import Record
from pyzsync_daemon.ignore import Ignore

_KINDS = {stat.S_IFREG: Kind.FILE, stat.S_IFDIR: Kind.DIRECTORY, stat.S_IFLNK: Kind.SYMLINK}
_BLOCK = 512  # the unit of st_blocks, whatever the file system's


@dataclass(frozen=True, slots=True)
class Observed:
    """A path that differs from the index, as ``lstat`` saw it.

    ``version``: known without hashing, because the very same inode was published under another
    path. ``moved_from``: a file that is gone and had this inode, size and mtime.
    """

    path: str
    kind: Kind
    fingerprint: Fingerprint
    version: bytes = b""
    moved_from: str = ""


@dataclass(frozen=True, slots=True)
class Scan:
    """What a scan found. ``skipped``: path and reason of what cannot be published.

    ``seen`` counts paths looked at, ``appeared`` those that are new; ``arrived`` are the topmost of
    the new directories.
    """

    changed: tuple[Observed, ...]
    removed: tuple[Record, ...]
    skipped: tuple[tuple[str, str], ...]
    seen: int
    appeared: int
    arrived: tuple[str, ...]


def kind_of(status: os.stat_result) -> Kind | None:
    """The kind of an entry; None for what is never published (devices, pipes, sockets)."""
    return _KINDS.get(stat.S_IFMT(status.st_mode))


def describe(path: str, status: os.stat_result, version: bytes = b"", target: str = "") -> Change:
    """The change that publishes ``path``, yet without a seq."""
    kind = _KINDS[stat.S_IFMT(status.st_mode)]
    common = Change(0, path, kind, status.st_mode & 0o777, status.st_mtime_ns)
    if kind is not Kind.FILE:
        return replace(common, target=target)
    holes = status.st_blocks * _BLOCK < status.st_size
    flags = Flag.SPARSE if holes else Flag.NONE
    return replace(common, size=status.st_size, version=version, flags=flags)


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
        self._seen = 0
        self._appeared = 0

    def result(self) -> Scan:
        return Scan(
            tuple(_with_origins(self._changed.values(), self._removed.values(), self._has_tree)),
            tuple(self._removed.values()),
            tuple(self._skipped),
            self._seen,
            self._appeared,
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
            self._skipped.append((path, f"cannot be listed: {error.strerror}"))
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
        anchors = {self._anchor(path) for path in paths if not self._ignore.hides(path)}
        for anchor in anchors:
            if not any(parent in anchors for parent in _parents(anchor)):
                self._look(anchor)
        # A directory's time moves with its entries and says nothing on its own, so it is looked at
        # only where something was found.
        touched = {path.rpartition("/")[0] for path in (*self._changed, *self._removed)}
        for parent in touched - self._changed.keys() - self._removed.keys() - {""}:
            status, record = self._root.lstat(parent), self._index.get(parent)
            if status is not None and record is not None and stat.S_ISDIR(status.st_mode):
                self._compare_directory(parent, status, record)

    def _anchor(self, path: str) -> str:
        """The topmost directory above ``path`` that is new, gone or something else now, or it."""
        for parent in _parents(path):
            if parent not in self._sound:
                status, record = self._root.lstat(parent), self._index.get(parent)
                known = record is not None and record.change.kind is Kind.DIRECTORY
                if not known or status is None or not stat.S_ISDIR(status.st_mode):
                    return parent
                self._sound.add(parent)
        return path

    def _look(self, path: str) -> None:
        record = self._index.get(path)
        if record is not None and record.change.kind is Kind.ABSENT:
            record = None
        try:
            status = self._root.lstat(path)
        except OSError as error:
            self._skipped.append((path, f"cannot be examined: {error.strerror}"))
            return
        if status is not None and not self._ignore.ignores(path, stat.S_ISDIR(status.st_mode)):
            self._entry(path, status, record)
        elif record is not None:
            self._gone(record)

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
            self._appeared += 1
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


def _with_origins(
    changed: Iterable[Observed], removed: Iterable[Record], has_tree: Callable[[bytes], bool]
) -> Iterable[Observed]:
    """Tell of files where they were before, when their inode was published under a path now gone.

    Moving a directory leaves the files in it alone, ctime included: nothing needs to be hashed.
    Moving a file moves its ctime, so it is hashed; but its old name can wait for the new one.
    """
    files = [record for record in removed if record.change.kind is Kind.FILE]
    by_inode = {record.fingerprint.ino: record for record in files if record.fingerprint}
    for observed in changed:
        record = by_inode.get(observed.fingerprint.ino) if observed.kind is Kind.FILE else None
        if record is not None and record.fingerprint is not None:
            same = record.fingerprint == observed.fingerprint and not record.racy
            if same and has_tree(record.change.version):
                observed = replace(observed, version=record.change.version)
            if record.fingerprint.same_content(observed.fingerprint):
                observed = replace(observed, moved_from=record.change.path)
        yield observed


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
