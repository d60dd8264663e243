"""Modes and times of entries, set through descriptors so that no symlink is followed."""

from __future__ import annotations

import os
import stat

from protocol.messages import Change, Kind
from pyzsync_daemon.client.compare import unproven
from pyzsync_daemon.client.staging import PERMISSIONS
from pyzsync_daemon.files.root import Fingerprint

_HANDLE = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC  # needs no permission on the entry itself


def dress(fd: int, name: str, change: Change) -> Fingerprint:
    """Give a staged entry (ours alone, in directory ``fd``) the mode and mtime that it lacks.

    A directory gets them when its entries are in it.
    """
    status = os.stat(name, dir_fd=fd, follow_symlinks=False)
    mode = change.mode & PERMISSIONS
    plain = change.kind is not Kind.FILE or stat.S_IMODE(status.st_mode) == mode
    if change.kind is Kind.DIRECTORY or (plain and status.st_mtime_ns == change.mtime_ns):
        return Fingerprint.of(status)
    if not plain:
        os.chmod(name, mode, dir_fd=fd)
    times = (change.mtime_ns, change.mtime_ns)
    os.utime(name, ns=times, dir_fd=fd, follow_symlinks=False)
    return Fingerprint.of(os.stat(name, dir_fd=fd, follow_symlinks=False))


def touch(fd: int, name: str, change: Change, expected: Fingerprint) -> Fingerprint | None:
    """Give an entry in the tree its mode and mtime, if it is still the ``expected`` one.

    Returns its fingerprint to record; None if it has changed. Setting the mtime would hide an edit
    made in that instant, so the content then counts as unproven.
    """
    handle = os.open(name, _HANDLE, dir_fd=fd)
    try:
        before = Fingerprint.of(os.fstat(handle))
        if before != expected:
            return None
        through = f"/proc/self/fd/{handle}"
        if change.kind is not Kind.SYMLINK:
            os.chmod(through, change.mode & PERMISSIONS)  # noqa: PTH101 - one way for both calls
        if before.mtime_ns != change.mtime_ns:
            _set_mtime(fd, name, through, change)
        after = Fingerprint.of(os.fstat(handle))
        return after if after.same_content(before) else unproven(after)
    finally:
        os.close(handle)


def settle_directory(fd: int, mode: int | None, mtime_ns: int | None) -> Fingerprint:
    """Give an open directory its mode and mtime (None: leave them)."""
    status = os.fstat(fd)
    if mode is not None and stat.S_IMODE(status.st_mode) != mode & PERMISSIONS:
        os.fchmod(fd, mode & PERMISSIONS)
    if mtime_ns is not None and status.st_mtime_ns != mtime_ns:
        os.utime(fd, ns=(mtime_ns, mtime_ns))
    return Fingerprint.of(os.fstat(fd))


def _set_mtime(fd: int, name: str, through: str, change: Change) -> None:
    times = (change.mtime_ns, change.mtime_ns)
    if change.kind is Kind.SYMLINK:  # following the handle would end at the link's target
        os.utime(name, ns=times, dir_fd=fd, follow_symlinks=False)
    else:
        os.utime(through, ns=times)
