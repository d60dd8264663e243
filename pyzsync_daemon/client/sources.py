"""Old bytes: what a transfer searches, and whole files that need no transfer at all.

Nothing read here is believed. The file at a path may be edited while it is read, and what an
interrupted transfer left may hold anything: only staged bytes are verified, after they were copied.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

from protocol.messages import Change
from pyzsync import HashTree
from pyzsync.tree import Columns
from pyzsync_daemon.client.compare import hash_descriptor
from pyzsync_daemon.client.replica import Replica
from pyzsync_daemon.client.stagedfile import StagedFile
from pyzsync_daemon.files.fully import read_fully
from pyzsync_daemon.files.syscalls import Unsupported, clone


@dataclass(frozen=True, slots=True)
class OldFile:
    """One file of old bytes: at a path of the tree, or (``staged``) an interrupted transfer's.

    ``version`` (if known) names its stored tree. ``given``: it is what the hub gave.
    """

    name: str
    length: int
    staged: bool = False
    version: bytes = b""
    given: bool = False


@dataclass(slots=True)
class OldBytes:
    """Several old files as one address space, one after the other."""

    replica: Replica
    files: tuple[OldFile, ...]
    _open: list[tuple[int, int, int]] = field(default_factory=list)  # fd, base, length

    @property
    def length(self) -> int:
        """Bytes of all files together."""
        return sum(file.length for file in self.files)

    @property
    def tree_bytes(self) -> int:
        """Of files from this size on the tree is stored."""
        return self.replica.settings.tree_bytes

    def columns(self, counts: Sequence[int]) -> Columns:
        """Where the new file's tree is built. ``OSError`` if the disk says no."""
        return self.replica.trees.columns(counts)

    @property
    def cores(self) -> Executor:
        """Threads that may read and copy while the files are open."""
        return self.replica.cores

    @contextmanager
    def opened(self) -> Iterator[None]:
        """Files are open only while an effect runs: a thousand transfers may be waiting."""
        with ExitStack() as stack:
            base = 0
            for file in self.files:
                fd = self._descriptor(file)
                if fd is not None:
                    stack.callback(os.close, fd)
                    self._open.append((fd, base, file.length))
                base += file.length
            stack.callback(self._open.clear)
            yield

    def trees(self, base: int) -> Iterator[tuple[int, HashTree]]:
        """Where each file begins in the address space, and its tree: stored, or made now."""
        start = 0
        for file in self.files:
            tree = self.replica.trees.load(file.version) if file.version else None
            if tree is None or tree.length != file.length or not tree.has(base):
                tree = self._hash(file, base)
            if tree is not None:
                yield start, tree
            start += file.length

    def read(self, offset: int, size: int) -> bytes:
        """Old bytes; fewer where a file has shrunk or gone."""
        parts = b""
        for fd, base, length in self._open:
            at = offset + len(parts)
            if base <= at < base + length:
                parts += read_fully(fd, at - base, min(size - len(parts), base + length - at))
        return parts

    def copy(self, offset: int, size: int, staged: StagedFile, at: int) -> int:
        """Copy old bytes to ``at`` in staging, in the kernel where that can be done.

        Returns how many: fewer where a file has shrunk or gone.
        """
        done = 0
        for fd, base, length in self._open:
            start = offset + done
            if base <= start < base + length and done < size:
                wanted = min(size - done, base + length - start)
                done += staged.copy(fd, start - base, wanted, at + done)
        return done

    def _hash(self, file: OldFile, base: int) -> HashTree | None:
        fd = self._descriptor(file)
        if fd is None:
            return None
        try:
            return hash_descriptor(fd, file.length, self.cores, base)
        finally:
            os.close(fd)

    def _descriptor(self, file: OldFile) -> int | None:
        flags = os.O_RDONLY | os.O_NONBLOCK
        try:
            if file.staged:
                flags |= os.O_NOFOLLOW | os.O_CLOEXEC
                fd = os.open(file.name, flags, dir_fd=self.replica.staging.fd)
            else:
                fd = self.replica.root.open(file.name, flags)
        except OSError:  # gone, or closed to us: then there are no old bytes
            return None
        if stat.S_ISREG(os.fstat(fd).st_mode):
            return fd
        os.close(fd)
        return None


def stage_copy(replica: Replica, change: Change) -> str | None:
    """Stage a version that is already here, under another path or in the attic.

    Returns the staging name once the staged bytes have been verified; None: it has to be fetched.
    """
    for fd in _holders(replica, change.version):
        try:
            name = _copy(replica, fd, change)
        finally:
            os.close(fd)
        if name is not None:
            return name
    return None


def _holders(replica: Replica, version: bytes) -> Iterator[int]:
    """Open files that had this version when they were last looked at."""
    flags = os.O_RDONLY | os.O_NONBLOCK
    for record in replica.index.holders(version):
        try:
            yield replica.root.open(record.change.path, flags)
        except OSError:  # edited away or unreadable: the next one may do
            continue
    name = replica.attic.find(version)
    if name is not None:
        try:
            fd = os.open(name, flags | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=replica.attic.fd)
        except FileNotFoundError:  # it was the oldest, and has just gone
            return
        yield fd


def _copy(replica: Replica, fd: int, change: Change) -> str | None:
    """Stage the bytes of ``fd`` if they are the change's version."""
    if os.fstat(fd).st_size != change.size:
        return None
    staging = replica.staging
    name = staging.part(change.path, change.version)
    try:
        with staging.open(name, change.sparse, size=0) as staged:
            _fill(fd, staged, change.size)
            tree = hash_descriptor(staged.fd, change.size, replica.cores)
    except OSError:
        staging.remove(name)
        raise
    if tree is None or tree.version != change.version:
        staging.remove(name)
        return None
    if tree.length >= replica.settings.tree_bytes:
        replica.trees.save(tree)
    return staging.whole(name)


def _fill(fd: int, staged: StagedFile, size: int) -> None:
    """By reflink where the file system can, else byte by byte (which keeps holes as holes)."""
    try:
        clone(fd, staged.fd)
        return
    except Unsupported:
        os.ftruncate(staged.fd, size)
    staged.copy(fd, 0, size, 0)
