"""Local content that made way for the hub's: ``ROOT/.pyzsync/conflicts``. Nothing here is deleted.

A file kept from ``docs/a.txt`` becomes ``conflicts/docs/a.txt.20260131T235959Z-1``.
"""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable

from blake3 import blake3

from protocol.limits import MAX_NAME
from pyzsync_daemon.client.staging import HOME
from pyzsync_daemon.files.moves import move_new
from pyzsync_daemon.files.root import Root

CONFLICTS = f"{HOME}/conflicts"


class Conflicts:
    """Keeps things aside. ``clock`` gives nanoseconds since the epoch."""

    def __init__(self, root: Root, clock: Callable[[], int]) -> None:
        self._root = root
        self._clock = clock

    def keep(self, fd: int, name: str, path: str) -> str:
        """Move the entry ``name`` of directory ``fd`` aside, as found at ``path``.

        Returns where it is now, relative to the root. Raises ``OSError``; then it has not moved.
        """
        stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(self._clock() // 10**9))
        try:
            folder, plain = self._folder(path)
        except OSError as error:
            if error.errno not in (errno.ENOTDIR, errno.ENAMETOOLONG, errno.EEXIST):
                raise
            # Something kept earlier has the name of a directory that is needed now.
            folder, plain = CONFLICTS, blake3(os.fsencode(path)).hexdigest()[:32]
        with self._root.directory(folder) as into:
            number = 1
            while True:
                kept = _fit(plain, f".{stamp}-{number}")
                try:
                    move_new(fd, name, into, kept)
                    return f"{folder}/{kept}"
                except FileExistsError:
                    number += 1

    def _folder(self, path: str) -> tuple[str, str]:
        """Make the directory that something from ``path`` is kept in; returns it and the name."""
        *parts, name = path.split("/")
        folder = CONFLICTS
        self._root.make_directory(folder)
        for part in parts:
            folder = f"{folder}/{part}"
            self._root.make_directory(folder)
        return folder, name


def _fit(name: str, ending: str) -> str:
    """``name`` with ``ending``, cut so that a file system takes it."""
    room = MAX_NAME - len(ending)
    return os.fsdecode(os.fsencode(name)[:room]) + ending
