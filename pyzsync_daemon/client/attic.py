"""Files that the hub deleted or replaced, kept for a while: ``ROOT/.pyzsync/attic``.

A rename may reach us as a creation in one batch and a deletion in another, and what is deleted
may come back: the bytes are then copied from here, not fetched. Bounded; the oldest goes first.

A name is ``<version>-<mtime, ns, hex>``: the mtime that the file had when its content was judged. A
process that still had it open can write to it afterwards; the mtime tells, and what was written is
kept aside instead of dropped.
"""

from __future__ import annotations

import os
import threading
from collections import OrderedDict

from pyzsync_daemon.client.conflicts import Conflicts
from pyzsync_daemon.client.staging import HOME
from pyzsync_daemon.files.root import Fingerprint, Root, reopened

ATTIC = f"{HOME}/attic"


class Attic:
    """At most ``max_count`` files of ``max_bytes`` together. Any thread may use it."""

    def __init__(self, root: Root, conflicts: Conflicts, max_bytes: int, max_count: int) -> None:
        root.make_directory(ATTIC)
        with root.directory(ATTIC) as fd:
            self.fd = os.dup(fd)
        self._conflicts = conflicts
        self._max_bytes = max_bytes
        self._max_count = max_count
        self._lock = threading.Lock()
        self._paths: dict[str, str] = {}
        self._versions: dict[str, str] = {}  # version, hex -> the newest name
        self._sizes: OrderedDict[str, int] = OrderedDict()  # oldest first
        self._bytes = 0
        for name, status in sorted(self._entries(), key=lambda entry: entry[1].st_ctime_ns):
            self._add(name, status.st_size)
        self._shrink()

    def close(self) -> None:
        """Let go of the directory."""
        os.close(self.fd)

    def keep(self, fd: int, name: str, found: Fingerprint, version: bytes, path: str) -> None:
        """Take the file ``name`` of directory ``fd``, version ``version`` of ``path``.

        ``found`` is what it was *before* it was judged to be that version.
        """
        kept = f"{version.hex()}-{_stamp(found.mtime_ns)}"
        with self._lock:
            if kept in self._sizes:
                self._drop(kept)
            os.rename(name, kept, src_dir_fd=fd, dst_dir_fd=self.fd)
            self._add(kept, found.size)
            self._paths[kept] = path
            if found.size > self._max_bytes:  # do not make room for what cannot stay
                self._drop(kept)
            self._shrink()

    def find(self, version: bytes) -> str | None:
        """The name here of a file that was this version when it came; verify what it is now."""
        with self._lock:
            return self._versions.get(version.hex())

    def _add(self, name: str, size: int) -> None:
        self._sizes[name] = size
        self._bytes += size
        self._versions[name.partition("-")[0]] = name

    def _shrink(self) -> None:
        while self._sizes and (self._bytes > self._max_bytes or len(self._sizes) > self._max_count):
            self._drop(next(iter(self._sizes)))

    def _drop(self, name: str) -> None:
        """Unlink one file, or keep it aside if it was written to since it came."""
        self._bytes -= self._sizes.pop(name)
        if self._versions.get(name.partition("-")[0]) == name:
            del self._versions[name.partition("-")[0]]
        path = self._paths.pop(name, f"attic/{name[:16]}")
        try:
            status = os.stat(name, dir_fd=self.fd, follow_symlinks=False)
        except FileNotFoundError:
            return  # somebody tidied up by hand
        if _stamp(status.st_mtime_ns) == name.rpartition("-")[2]:
            os.unlink(name, dir_fd=self.fd)
        else:
            self._conflicts.keep(self.fd, name, path)

    def _entries(self) -> list[tuple[str, os.stat_result]]:
        with reopened(self.fd) as fd, os.scandir(fd) as entries:
            return [
                (entry.name, entry.stat(follow_symlinks=False))
                for entry in entries
                if entry.is_file(follow_symlinks=False)
            ]


def _stamp(mtime_ns: int) -> str:
    return f"{mtime_ns & (2**64 - 1):016x}"
