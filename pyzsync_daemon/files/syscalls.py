"""The system calls that Python lacks. Each says what it does where it is missing.

``renameat2`` (Linux 3.15) swaps two names, or renames only if the new name is free, in one step;
``syncfs`` makes a whole batch durable with one call, ``sync_file_range`` begins early; ``FICLONE``
shares a file's blocks; holes are punched with ``fallocate``.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os

_LIBC = ctypes.CDLL(None, use_errno=True)
_RENAME_NOREPLACE = 1
_RENAME_EXCHANGE = 2
_FICLONE = 0x40049409
_PUNCH_HOLE_KEEP_SIZE = 0x02 | 0x01
_SYNC_WRITE = 2
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8
_LARGE = 5 << 19  # 2.5 MiB
_ARENAS = 2
# What a kernel or a file system says that does not know the call or the flag. EINVAL is also said
# of a directory moved into itself, which our names (staging against target) cannot ask for.
_UNKNOWN = frozenset({errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP, errno.ENOTTY})


class Unsupported(OSError):
    """The kernel or this file system does not offer the call: go the longer way."""


def exchange(old_fd: int, old: str, new_fd: int, new: str) -> None:
    """Swap what two names (relative to directory descriptors) lead to, atomically.

    Raises ``Unsupported``, or ``OSError`` (``FileNotFoundError`` if either is missing).
    """
    _rename(old_fd, old, new_fd, new, _RENAME_EXCHANGE)


def rename_new(old_fd: int, old: str, new_fd: int, new: str) -> None:
    """Rename, but never over something: ``FileExistsError`` if the new name is taken.

    Raises ``Unsupported``, or ``OSError``.
    """
    _rename(old_fd, old, new_fd, new, _RENAME_NOREPLACE)


def syncfs(fd: int) -> None:
    """Make everything written to the file system of ``fd`` durable. Raises ``OSError``."""
    _check(_LIBC.syncfs(fd), None)


def begin_sync(fd: int, offset: int, size: int) -> None:
    """Let the system begin to write a range to the disk, without waiting. It is a hint, no promise:
    what it could not begin, or where the call is missing, a later ``fsync`` does and tells."""
    call = getattr(_LIBC, "sync_file_range", None)
    if call is not None:
        call(fd, ctypes.c_int64(offset), ctypes.c_int64(size), _SYNC_WRITE)


def clone(source: int, target: int) -> None:
    """Let the empty file ``target`` share all blocks of ``source``. Raises ``Unsupported``."""
    try:
        fcntl.ioctl(target, _FICLONE, source)
    except OSError as error:
        if error.errno in _UNKNOWN | {errno.EXDEV, errno.EPERM}:
            raise Unsupported(error.errno, os.strerror(error.errno)) from error
        raise


def punch(fd: int, offset: int, size: int) -> None:
    """Turn a range into a hole that reads as zeros. Raises ``Unsupported`` or ``OSError``."""
    where, length = ctypes.c_long(offset), ctypes.c_long(size)
    _check(_LIBC.fallocate(fd, _PUNCH_HOLE_KEEP_SIZE, where, length), None)


def keep_little_memory() -> None:
    """Let what large columns took go back to the system when they are let go.

    glibc raises its own threshold with each large block that is freed, and from then on keeps such
    blocks, in an arena for each thread: measured, 130 MB after the delta of a file of 1.4 GB. A
    window (2 MiB) stays below the threshold, so that hashing does not fault its pages in each time.
    Another C library has no ``mallopt``, or does not know these: then nothing changes.
    """
    call = getattr(_LIBC, "mallopt", None)
    if call is not None:
        call(_M_MMAP_THRESHOLD, _LARGE)
        call(_M_TRIM_THRESHOLD, _LARGE)
        call(_M_ARENA_MAX, _ARENAS)


def _rename(old_fd: int, old: str, new_fd: int, new: str, flags: int) -> None:
    call = getattr(_LIBC, "renameat2", None)
    if call is None:
        raise Unsupported(errno.ENOSYS, os.strerror(errno.ENOSYS))
    _check(call(old_fd, os.fsencode(old), new_fd, os.fsencode(new), flags), new)


def _check(result: int, name: str | None) -> None:
    if result != -1:
        return
    number = ctypes.get_errno()
    if number in _UNKNOWN:
        raise Unsupported(number, os.strerror(number), name)
    raise OSError(number, os.strerror(number), name)
