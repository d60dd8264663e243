"""Reads and writes at an offset that do not stop half way."""

from __future__ import annotations

import os


def read_fully(fd: int, offset: int, size: int) -> bytes:
    """Read ``size`` bytes at ``offset``; fewer only where the file ends."""
    data = os.pread(fd, size, offset)
    if len(data) == size:
        return data
    parts = bytearray(data)
    while data and len(parts) < size:
        data = os.pread(fd, size - len(parts), offset + len(parts))
        parts += data
    return bytes(parts)


def write_fully(fd: int, offset: int, view: memoryview) -> None:
    """Write all bytes at ``offset``, in as many calls as it takes."""
    done = 0
    while done < len(view):
        done += os.pwrite(fd, view[done:], offset + done)
