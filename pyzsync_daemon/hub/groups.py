"""What scans found and is yet to be read: whose turn it is. Pure.

An edit must not wait for the ten thousand files before it, so the newest group goes first; but one
turn in four is the oldest's, or a busy tree would never be done with it. A path that several groups
have is read once, by the newest.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from pyzsync_daemon.hub.observed import Observed
from pyzsync_daemon.hub.records import Record


@dataclass(slots=True, eq=False)
class Group:
    """What one scan found: ``pending`` is read first, then ``removed`` is deleted.

    ``arrived`` are its new directories; ``since`` is when its first path was noticed.
    """

    pending: deque[Observed]
    removed: list[Record]
    arrived: tuple[str, ...]
    since: float


class Groups:
    """A queue of groups, false when it is empty."""

    def __init__(self) -> None:
        self._queue: deque[Group] = deque()  # the newest first
        self._owners: dict[str, Group] = {}
        self._turn = 0

    def __len__(self) -> int:
        return len(self._queue)

    def add(self, group: Group, *, patient: bool) -> None:
        """Queue a group as the newest, or behind all others if it is ``patient``."""
        (self._queue.append if patient else self._queue.appendleft)(group)
        self._owners.update((observed.path, group) for observed in group.pending)

    def next(self) -> Group:
        """The group whose turn it is."""
        self._turn += 1
        return self._queue[0 if self._turn % 4 else -1]

    def take(self, group: Group) -> Observed | None:
        """What ``group`` is to read next; None when it has read everything."""
        while group.pending:
            observed = group.pending.popleft()
            if self._owners.get(observed.path) is group:
                del self._owners[observed.path]
                return observed
        return None

    def done(self, group: Group) -> None:
        """Drop a group."""
        self._queue.remove(group)

    def clear(self) -> None:
        """Drop everything."""
        self._queue.clear()
        self._owners.clear()
