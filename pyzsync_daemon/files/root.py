"""Everything beneath one directory, and nothing else.

Paths come from a peer or from a scan; either way a symlink may stand where a directory is
expected, or be put there between two calls. So every path is walked component by component from a
descriptor of the root with ``O_DIRECTORY | O_NOFOLLOW``, and the last step is done relative to the
parent's descriptor: no race leads outside.

Paths are canonical (``protocol.paths``): relative, ``/`` between components, no ``.`` or ``..``.
Names that are not UTF-8 travel as surrogate escapes. The empty path is the root itself.
"""

from __future__ import annotations

import errno
import os
import stat
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_PACKED = struct.Struct("<QQqqI")  # an inode number may use all 64 bits; SQLite's have a sign
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class NotADirectory(NotADirectoryError):
    """A component of ``path`` (``at``) is there, but is no directory."""

    def __init__(self, path: str, at: str) -> None:
        self.path = path
        self.at = at
        super().__init__(errno.ENOTDIR, os.strerror(errno.ENOTDIR), at)

    def __str__(self) -> str:
        return f"{self.at!r}, on the way to {self.path!r}, is not a directory"


class EscapesRoot(NotADirectory):
    """A component of ``path`` (``at``) is a symlink: it is never followed."""

    def __str__(self) -> str:
        return f"{self.at!r}, on the way to {self.path!r}, is a symlink, and those are not followed"


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What ``lstat`` says of an entry's content: equal means that nobody touched it.

    ``ctime_ns`` also moves when the inode is linked, renamed or its mode changed, and it cannot be
    set back, so it tells of an edit that restored the mtime.
    """

    ino: int
    size: int
    mtime_ns: int
    ctime_ns: int
    mode: int  # st_mode: kind and permissions

    @classmethod
    def of(cls, status: os.stat_result) -> Fingerprint:
        """The fingerprint of a stat result."""
        return cls(
            status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_mode
        )

    def pack(self) -> bytes:
        """As bytes, for a database."""
        return _PACKED.pack(self.ino, self.size, self.mtime_ns, self.ctime_ns, self.mode)

    @classmethod
    def unpack(cls, packed: bytes) -> Fingerprint:
        """The fingerprint that ``pack`` made these bytes of."""
        return cls(*_PACKED.unpack(packed))

    def same_content(self, other: Fingerprint) -> bool:
        """Whether inode, kind, size and mtime agree: what a rename or a link leaves alone."""
        return (
            self.ino == other.ino
            and self.size == other.size
            and self.mtime_ns == other.mtime_ns
            and stat.S_IFMT(self.mode) == stat.S_IFMT(other.mode)
        )


class _Near(threading.local):
    """The directory that a thread keeps open; ``used``: by a caller further up, who needs it."""

    stays = False
    used = False
    directory = ""
    fd = -1

    def move(self, directory: str, fd: int) -> int:
        """Keep another directory, by a descriptor that is now ours; returns it."""
        self.let_go()
        self.directory, self.fd = directory, fd
        return fd

    def let_go(self) -> None:
        """Close it."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1


class Root:
    """A directory, held by a descriptor. Safe to use from several threads.

    Raises ``OSError`` (``FileNotFoundError``, ``NotADirectoryError``) if ``path`` is no directory.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._near = _Near()
        # The root's own path is the operator's and may be a symlink; beneath it none is followed.
        self.fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)

    def close(self) -> None:
        """Let go of the descriptor."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1

    def __enter__(self) -> Root:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def present(self) -> bool:
        """Whether the root's path still names this very directory (not removed, not unmounted)."""
        try:
            found = self.path.stat()
        except OSError:
            return False
        held = os.fstat(self.fd)
        return (found.st_dev, found.st_ino) == (held.st_dev, held.st_ino)

    def reopen(self) -> None:
        """Hold the directory that the path names now: the root was replaced, and that is accepted.

        The descriptor keeps its number, so another thread's walk sees either directory, never a
        closed descriptor. Raises ``OSError``.
        """
        fd = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.dup2(fd, self.fd, inheritable=False)
        finally:
            os.close(fd)

    @contextmanager
    def directory(self, path: str) -> Iterator[int]:
        """A descriptor of the directory at ``path``, open while the context lasts.

        Raises ``FileNotFoundError``, ``NotADirectory`` or ``EscapesRoot``.
        """
        if not path:
            with reopened(self.fd) as fd:
                yield fd
            return
        fd = self._walk(path.split("/"), path)
        try:
            yield fd
        finally:
            os.close(fd)

    @contextmanager
    def parent(self, path: str) -> Iterator[tuple[int, str]]:
        """The parent's descriptor and the last component of ``path`` (which is not empty)."""
        directory, _, name = path.rpartition("/")
        near = self._near
        keep = near.stays and not near.used
        if keep and near.directory == directory and near.fd >= 0:
            fd = near.fd
        else:
            fd = self._walk(directory.split("/") if directory else [], path)
            if keep:
                fd = near.move(directory, os.dup(fd) if fd == self.fd else fd)
        near.used = near.used or keep
        try:
            yield fd, name
        finally:
            if keep:
                near.used = False
            elif fd != self.fd:
                os.close(fd)

    @contextmanager
    def staying(self) -> Iterator[None]:
        """While the context lasts, this thread keeps the last ``parent`` open, and does not walk
        again to what is in the same directory.

        Only for reading what is checked afterwards: a directory that somebody moves away meanwhile,
        even out of the root, is followed to where it went.
        """
        self._near.stays = True
        try:
            yield
        finally:
            self._near.stays = False
            self._near.let_go()

    def open(self, path: str, flags: int, mode: int = 0) -> int:
        """A descriptor of the file at ``path``; a symlink there raises ``OSError`` (ELOOP)."""
        with self.parent(path) as (fd, name):
            return os.open(name, flags | os.O_NOFOLLOW | os.O_CLOEXEC, mode, dir_fd=fd)

    def lstat(self, path: str) -> os.stat_result | None:
        """What is at ``path``; None if nothing is, or a component on the way is no directory."""
        if not path:
            return os.fstat(self.fd)
        try:
            with self.parent(path) as (fd, name):
                return os.stat(name, dir_fd=fd, follow_symlinks=False)
        except (FileNotFoundError, NotADirectoryError):
            return None

    def readlink(self, path: str) -> str:
        """The target of the symlink at ``path``."""
        with self.parent(path) as (fd, name):
            return os.readlink(name, dir_fd=fd)

    def listdir(self, path: str) -> list[str]:
        """The names in the directory at ``path``, in no order."""
        with self.directory(path) as fd:
            return os.listdir(fd)

    def make_directory(self, path: str, mode: int = 0o700) -> None:
        """Make the directory ``path`` unless it is there; ``NotADirectory`` if it is no such."""
        with self.parent(path) as (fd, name):
            try:
                os.mkdir(name, mode, dir_fd=fd)
            except FileExistsError:
                with self.directory(path):
                    return

    def _walk(self, parts: list[str], path: str) -> int:
        """A descriptor of the directory ``parts`` leads to: ``self.fd`` itself if they are none."""
        fd = self.fd
        for depth, part in enumerate(parts):
            try:
                inner = os.open(part, _DIRECTORY, dir_fd=fd)
            except NotADirectoryError:
                raise _obstacle(fd, part, "/".join(parts[: depth + 1]), path) from None
            finally:
                if fd != self.fd:
                    os.close(fd)
            fd = inner
        return fd


@contextmanager
def reopened(directory: int) -> Iterator[int]:
    """The directory once more, at its beginning, to be listed.

    A descriptor has one position, which all its duplicates share: two threads that list by it hide
    entries from each other. And btrfs lists what was there when it was opened.
    """
    fd = os.open(".", _DIRECTORY, dir_fd=directory)
    try:
        yield fd
    finally:
        os.close(fd)


def _obstacle(fd: int, name: str, at: str, path: str) -> OSError:
    """The error for a component that is no directory."""
    try:
        status = os.stat(name, dir_fd=fd, follow_symlinks=False)
    except FileNotFoundError:  # it went away meanwhile
        return FileNotFoundError(at)
    return (EscapesRoot if stat.S_ISLNK(status.st_mode) else NotADirectory)(path, at)
