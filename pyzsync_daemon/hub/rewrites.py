"""Files that are being written anew: truncated a moment ago, and likely to grow again.

Most programs save a file by truncating and writing it. Announced in between, the short version
would make every client throw the old bytes away and fetch all of the next version. So a file that
has become shorter in place waits until nobody has written to it for a moment. A file that was
replaced by a rename is whole, and does not wait. Pure; times are seconds of a steady clock.
"""

from __future__ import annotations

from pyzsync_daemon.files.root import Fingerprint

QUIET_S = 0.1
"""Without a write for so long a rewrite is taken to be over; programs write faster than that."""

LONGEST_S = 2.0
"""A file that goes on being written is announced as it is: a log that is rotated by truncation."""


class Rewrites:
    """When each of them was first noticed."""

    def __init__(self) -> None:
        self._since: dict[str, float] = {}

    def under_way(
        self, path: str, known: Fingerprint | None, seen: Fingerprint, age: float, now: float
    ) -> bool:
        """Whether to look again later. ``age``: seconds since the file's last change."""
        shorter = known is not None and known.ino == seen.ino and seen.size < known.size
        if shorter and age < QUIET_S and now - self._since.setdefault(path, now) < LONGEST_S:
            return True
        self._since.pop(path, None)
        return False
