"""A prepared change: what Commit needs to know of it, and what policy says of what it replaces."""

from __future__ import annotations

import sqlite3
from collections.abc import Set
from dataclasses import dataclass
from enum import Enum

from protocol.messages import Change, Kind
from pyzsync_daemon.client.compare import Local
from pyzsync_daemon.client.replica import WorkbenchSettings


class Action(Enum):
    """What has to be done at the path."""

    PLACE = "place"  # the staged entry takes the place of whatever is there
    TOUCH = "touch"  # the content is right: only mode and mtime
    REMOVE = "remove"


@dataclass(frozen=True, slots=True)
class Entry:
    """``name`` is its name in staging (also where what it displaces lands; a TOUCH has none).

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


def may_go(settings: WorkbenchSettings, entry: Entry, published: Set[tuple[str, bytes]]) -> bool:
    """Whether what is at the path need not be kept aside: it is the hub's, now or once.

    With ``overwrite`` neither need a local edit that something of the hub's replaces, if it could
    be read. What is merely removed was perhaps never published: nothing overwrites that.
    """
    local = entry.local
    replaced = entry.action is not Action.REMOVE
    overwrite = settings.conflict == "overwrite" and replaced and bool(local.version)
    return local.ours or overwrite or _published(entry, published)


def refuses(settings: WorkbenchSettings, entry: Entry, published: Set[tuple[str, bytes]]) -> str:
    """Why the policy leaves a local file as it is; empty if it does not."""
    local = entry.local
    if settings.conflict != "refuse" or entry.action is Action.TOUCH or local.ours:
        return ""
    if not local.is_a(Kind.FILE) or _published(entry, published):
        return ""
    return refusal(entry.change.path)


def in_the_way(settings: WorkbenchSettings, entry: Entry) -> str:
    """Why the policy leaves what stands in the place of a missing parent; empty if it does not.

    Nobody has asked the hub about it, so only what is recorded is known to be the hub's.
    """
    local = entry.local
    if settings.conflict != "refuse" or local.fingerprint is None or local.ours:
        return ""
    return refusal(entry.change.path)


def refusal(path: str) -> str:
    """The sentence about local content that stays where it is."""
    return f"{path}: holds local content, and conflicts are refused"


def explain(error: OSError | sqlite3.Error, path: str) -> str:
    """One sentence for a person: what the disk (or the index on it) said, and of what."""
    if isinstance(error, OSError):
        return f"{path}: {error.strerror or error}"
    return f"{path}: the replica's index: {error}"


def _published(entry: Entry, published: Set[tuple[str, bytes]]) -> bool:
    return bool(entry.local.version) and (entry.change.path, entry.local.version) in published
