"""Moving names so that nothing is ever lost, on any file system.

Names are given with the descriptor of their directory. The short way needs ``renameat2``; the
longer one is for file systems without it (NFS, some FUSE), and its one weakness is named there.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable

from pyzsync_daemon.files.syscalls import Unsupported, exchange, rename_new


def move_new(old_fd: int, old: str, new_fd: int, new: str) -> None:
    """Rename, but never over something: ``FileExistsError`` if the new name is taken."""
    try:
        rename_new(old_fd, old, new_fd, new)
        return
    except Unsupported:
        pass
    if _is_directory(old_fd, old):
        # Over an empty directory it succeeds, over anything else it fails: no bytes are lost.
        os.rename(old, new, src_dir_fd=old_fd, dst_dir_fd=new_fd)
        return
    os.link(old, new, src_dir_fd=old_fd, dst_dir_fd=new_fd, follow_symlinks=False)
    os.unlink(old, dir_fd=old_fd)


def swap_in(new_fd: int, new: str, at_fd: int, at: str, linked: Callable[[], None]) -> str:
    """Put the entry ``new`` at ``at``, and return the name beside ``new`` of what was there.

    With an atomic exchange, whatever is at ``at`` in that very instant lands under ``new``.
    Without: what is there is linked (a directory: moved away) to ``new.old`` first, and what
    another process *renames* into place between the two steps is lost. ``linked`` is called before
    the exchange, and on the longer way again when the old entry is safe. ``FileNotFoundError`` if
    nothing is at ``at``.
    """
    linked()
    try:
        exchange(new_fd, new, at_fd, at)
        return new
    except Unsupported:
        pass
    kept = old_name(new)
    if _is_directory(at_fd, at) or _is_directory(new_fd, new):
        os.rename(at, kept, src_dir_fd=at_fd, dst_dir_fd=new_fd)
        linked()
        move_new(new_fd, new, at_fd, at)
    else:
        os.link(at, kept, src_dir_fd=at_fd, dst_dir_fd=new_fd, follow_symlinks=False)
        linked()
        os.rename(new, at, src_dir_fd=new_fd, dst_dir_fd=at_fd)
    return kept


def old_name(name: str) -> str:
    """What ``swap_in`` calls the old entry where names cannot be exchanged."""
    return f"{name}.old"


def _is_directory(fd: int, name: str) -> bool:
    return stat.S_ISDIR(os.stat(name, dir_fd=fd, follow_symlinks=False).st_mode)
