"""Taking a directory for one process."""

from __future__ import annotations

import fcntl
import os

from pyzsync_daemon.files.root import Root


def try_lock(folder: Root, name: str) -> int | None:
    """Lock the file ``name`` in ``folder``; None if another process has it.

    The lock lasts until the descriptor that is returned is closed, however the process ends.
    """
    fd = folder.open(name, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(fd)
        return None
    except BaseException:
        os.close(fd)
        raise
    return fd
