"""Entries on their way in, beside the tree and on its file system: ``ROOT/.pyzsync/staging``.

A name is ``<digest of the path>-<start of the version>-<random>``: of one length whatever the path,
and never reused, so a name in an intent means one thing for ever. While bytes are missing, and when
it was given up, ``.part`` follows. What an interrupted transfer leaves here is just another old
file for the next one: searched, never trusted.

Only a name without ``.part`` ever changes places with something in the tree (what goes to a free
place may keep it). So even when nobody knows of any intent, what may be somebody's own content can
be told from what may be thrown away.
"""

from __future__ import annotations

import os
import secrets
import stat
import threading
from collections.abc import Iterator, Set
from contextlib import contextmanager

from blake3 import blake3

from protocol.messages import Change
from pyzsync_daemon.client.remains import Remains, worth_keeping
from pyzsync_daemon.client.stagedfile import StagedFile
from pyzsync_daemon.files.fully import write_fully
from pyzsync_daemon.files.root import Root, reopened

HOME = ".pyzsync"
STAGING = f"{HOME}/staging"
PART = ".part"
_KEY = 32
PERMISSIONS = 0o777  # all that a hub may set: no setuid bit comes from a peer
_NEW = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_BLOCK = 512  # the unit of st_blocks, whatever the file system's


class Staging:
    """The staging directory: names, new entries, remains. Safe to use from several threads."""

    def __init__(self, root: Root) -> None:
        self.root = root
        root.make_directory(HOME)
        root.make_directory(STAGING)
        with root.directory(STAGING) as fd:
            self.fd = os.dup(fd)
        self._lock = threading.Lock()
        self._remains: dict[str, list[str]] = {}

    def close(self) -> None:
        """Let go of the directory."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1

    # --- new entries ------------------------------------------------------------------------------

    def name(self, path: str, version: bytes = b"") -> str:
        """A new name for an entry of ``path``."""
        return f"{_key(path)}-{_mark(version)}-{secrets.token_hex(4)}"

    def part(self, path: str, version: bytes) -> str:
        """A new name for a file of which bytes are missing, until it is made ``whole``."""
        return self.name(path, version) + PART

    def fill(self, name: str, data: bytes, change: Change) -> None:
        """Make a small file in one go, with the mode and mtime that it is to have."""
        fd = os.open(name, _NEW, 0o600, dir_fd=self.fd)
        try:
            write_fully(fd, 0, memoryview(data))
            os.fchmod(fd, change.mode & PERMISSIONS)
            os.utime(fd, ns=(change.mtime_ns, change.mtime_ns))
        except OSError:
            self.remove(name)
            raise
        finally:
            os.close(fd)

    def whole(self, name: str) -> str:
        """A file has all bytes of its version and was verified; returns its new name."""
        return self._rename(name, name.removesuffix(PART))

    def new_directory(self, path: str) -> str:
        """Create an empty directory."""
        name = self.name(path)
        os.mkdir(name, 0o700, dir_fd=self.fd)
        return name

    def new_symlink(self, path: str, target: str) -> str:
        """Create a symlink."""
        name = self.name(path, version_of_link(target))
        os.symlink(target, name, dir_fd=self.fd)
        return name

    @contextmanager
    def open(
        self, name: str, sparse: bool = False, size: int | None = None
    ) -> Iterator[StagedFile]:
        """A staging file, open for reading and writing while the context lasts.

        With a ``size`` it is made first: it reads as so many zeros, and takes no room yet.
        """
        fd = self._reopen(name) if size is None else self._create(name, size)
        try:
            yield StagedFile(fd, sparse)
        finally:
            os.close(fd)

    def lstat(self, name: str) -> os.stat_result | None:
        """What is under a staging name."""
        try:
            return os.stat(name, dir_fd=self.fd, follow_symlinks=False)
        except FileNotFoundError:
            return None

    def remove(self, name: str) -> None:
        """Remove an entry that we made; a directory must be empty."""
        status = self.lstat(name)
        if status is None:
            return
        if stat.S_ISDIR(status.st_mode):
            os.rmdir(name, dir_fd=self.fd)
        else:
            os.unlink(name, dir_fd=self.fd)

    def names(self) -> list[str]:
        """Everything here."""
        with reopened(self.fd) as fd:
            return os.listdir(fd)

    def filled(self, name: str) -> int:
        """Bytes of disk that an entry takes."""
        status = self.lstat(name)
        return status.st_blocks * _BLOCK if status is not None else 0

    # --- remains ----------------------------------------------------------------------------------

    def leave(self, name: str) -> None:
        """A staging file was given up: an old file for the next transfer of its path.

        What is no file is removed, and so are those of the path that are not worth searching.
        """
        status = self.lstat(name)
        if status is None or not stat.S_ISREG(status.st_mode):
            self.remove(name)
            return
        name = self.give_up(name)
        os.chmod(name, 0o600, dir_fd=self.fd)
        with self._lock:
            left = self._remains.setdefault(name[:_KEY], [])
            found = [*left, name]
            left[:] = worth_keeping(map(self._remains_of, found))
        for each in set(found).difference(left):
            self.remove(each)

    def give_up(self, name: str) -> str:
        """An entry that we made is worth no more than old bytes; returns its new name."""
        return self._rename(name, name.removesuffix(PART) + PART)

    def take_remains(self, path: str) -> list[str]:
        """The remains of ``path``, fullest last; whoever takes them removes or leaves them."""
        with self._lock:
            return self._remains.pop(_key(path), []) if self._remains else []

    def forget_remains(self, named: Set[str]) -> None:
        """Remove the remains of all paths but those ``named``: their files will not come."""
        keys = {_key(path) for path in named}
        with self._lock:
            gone = [key for key in self._remains if key not in keys]
            names = [name for key in gone for name in self._remains.pop(key)]
        for name in names:
            self.remove(name)

    def has_most(self, name: str, version: bytes) -> bool:
        """Whether at least half of this version seems to be in what an earlier transfer left."""
        status = self.lstat(name)
        is_it = _marked(name) == _mark(version)
        return is_it and status is not None and 2 * self.filled(name) >= status.st_size > 0

    def _remains_of(self, name: str) -> Remains:
        status = self.lstat(name)
        written = status.st_mtime_ns if status is not None else 0
        return Remains(name, _marked(name), self.filled(name), written)

    def _create(self, name: str, size: int) -> int:
        fd = os.open(name, _NEW, 0o600, dir_fd=self.fd)
        try:
            os.ftruncate(fd, size)
        except OSError:
            os.close(fd)
            self.remove(name)
            raise
        return fd

    def _reopen(self, name: str) -> int:
        """Its own mode may forbid it."""
        flags = os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            return os.open(name, flags, dir_fd=self.fd)
        except PermissionError:
            os.chmod(name, 0o600, dir_fd=self.fd)
            return os.open(name, flags, dir_fd=self.fd)

    def _rename(self, name: str, new: str) -> str:
        if new != name:
            os.rename(name, new, src_dir_fd=self.fd, dst_dir_fd=self.fd)
        return new


def stands_for(name: str, version: bytes) -> bool:
    """Whether a name was given to an entry of this version: then that is what we made."""
    return name[_KEY : _KEY + 18] == f"-{version[:8].hex()}-" and len(name) == _KEY + 26


def version_of_link(target: str) -> bytes:
    """What stands for a symlink's content in its name."""
    return blake3(os.fsencode(target)).digest()


def _key(path: str) -> str:
    return blake3(os.fsencode(path)).hexdigest()[:_KEY]


def _marked(name: str) -> str:
    return name[_KEY + 1 : _KEY + 17]


def _mark(version: bytes) -> str:
    return f"{version[:8].hex():0>16}"
