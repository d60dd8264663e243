"""A prepared change: what Commit needs to know of it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from protocol.messages import Change, Kind
from pyzsync_daemon.client.compare import Local


class Action(Enum):
    """What has to be done at the path."""

    PLACE = "place"  # the staged entry takes the place of whatever is there
    TOUCH = "touch"  # the content is right: only mode and mtime
    REMOVE = "remove"


@dataclass(frozen=True, slots=True)
class Entry:
    """``name`` is its name in staging (also where what it displaces will land; a TOUCH has none).

    ``local`` is what was at the path. ``remains`` are old staging files that it was made from.
    """

    change: Change
    action: Action
    local: Local
    name: str = ""
    fetched: int = 0
    reused: int = 0
    remains: tuple[str, ...] = ()
    announced: bool = True  # False: a parent directory that no change has named

    def serves(self, change: Change) -> bool:
        """Whether what was prepared is right for this (perhaps newer) change of the path."""
        mine = self.change
        if mine.kind is not change.kind or mine.target != change.target:
            return False
        return change.kind is not Kind.FILE or mine.version == change.version


def explain(error: OSError, path: str) -> str:
    """One sentence for a person: what the disk said, and of what."""
    return f"{path}: {error.strerror or error}"
