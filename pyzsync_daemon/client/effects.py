"""What the client session wants done, and what came of it.

The session does no I/O: it returns *effects* and is fed their *results*. Every effect is one
method of the ``Workbench``, which does it on the real disk; each result answers one effect.
A path is worked on by one effect at a time.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from protocol.messages import (
    BlockQuery,
    Change,
    Coding,
    Delta,
    DeltaQuery,
    Hashlist,
    HashQuery,
    Position,
)


@dataclass(frozen=True, slots=True)
class Plan:
    """What a transfer needs next from the hub.

    A ``delta`` is tried first; the rest is for when the hub has none. While ``hashes`` is not empty
    they are fetched first, and ``Match`` returns a better plan. ``reuse``: old bytes were searched;
    ``Reuse`` stages what was found while the blocks are on their way.
    """

    hashes: tuple[HashQuery, ...] = ()
    blocks: tuple[BlockQuery, ...] = ()
    delta: DeltaQuery | None = None
    reuse: bool = False


# --- effects -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Prepare:
    """Compare changes with what is on disk; stage what needs no bytes from the hub.

    Creations come before deletions. A file whose version is already here under another path (or
    among the bytes kept of deleted files) is copied into staging.

    For the mass-deletion guard: ``deletions`` are the paths of all deletions that were announced
    and not yet judged (those of ``changes`` and others), ``waiting`` those of files that are still
    to come, ``connection`` tells one connection from another.
    """

    changes: tuple[Change, ...]
    deletions: tuple[str, ...] = ()
    waiting: tuple[str, ...] = ()
    connection: int = 0


@dataclass(frozen=True, slots=True)
class Match:
    """Use fetched hashlists to find old bytes, and say what is missing."""

    change: Change
    hashlists: tuple[Hashlist, ...]


@dataclass(frozen=True, slots=True)
class Reuse:
    """Copy the old bytes that were found into staging; says which were not what they should be."""

    change: Change


@dataclass(frozen=True, slots=True)
class Apply:
    """Stage as much of the new version as the next parts of a delta give, in order."""

    change: Change
    parts: tuple[Delta, ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Put:
    """Decode, verify and stage one whole block set (its parts' data, in order)."""

    change: Change
    query: BlockQuery
    coding: Coding
    size: int
    gone: bytes
    data: tuple[bytes, ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Finish:
    """Verify the whole staged version."""

    change: Change


@dataclass(frozen=True, slots=True)
class Abandon:
    """The transfer was superseded: close it; its staged bytes stay as old bytes for the next."""

    change: Change


@dataclass(frozen=True, slots=True)
class Commit:
    """Put staged entries in place, creations first, then deletions, then directories' times.

    ``published`` holds the (path, version) pairs of local content that the hub says it once
    published there: merely old, not a local edit, so it is not kept aside.
    """

    changes: tuple[Change, ...]
    published: frozenset[tuple[str, bytes]] = frozenset()


@dataclass(frozen=True, slots=True)
class Save:
    """Remember the hub's identity and how far the replica follows it."""

    hub: bytes
    position: Position | None


@dataclass(frozen=True, slots=True)
class Prune:
    """A snapshot is complete: what the hub once gave and is not in it has gone.

    ``paths`` is everything the snapshot named.
    """

    paths: frozenset[str]


@dataclass(frozen=True, slots=True)
class Audit:
    """Compare every recorded entry with the disk; what differs has to be done again."""


Effect = Prepare | Match | Reuse | Apply | Put | Finish | Abandon | Commit | Save | Prune | Audit

# --- results -----------------------------------------------------------------------------------


class State(Enum):
    """What became of a change in ``Prepare``."""

    SATISFIED = "satisfied"  # the disk already has it, and it is recorded
    READY = "ready"  # staged: commit it
    PULL = "pull"  # bytes are needed: follow the plan
    REFUSED = "refused"  # left as it is by policy (conflict = "refuse", a guard)
    FAILED = "failed"  # the disk said no; ``error`` says what to do


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one change.

    ``local`` is the version of a file found at the path that the hub did not give us (empty:
    none): the session asks the hub whether it was once published before the commit replaces it.
    """

    change: Change
    state: State
    plan: Plan = Plan()
    local: bytes = b""
    error: str = ""


@dataclass(frozen=True, slots=True)
class Prepared:
    """Answers ``Prepare``: one outcome a change."""

    outcomes: tuple[Outcome, ...]


@dataclass(frozen=True, slots=True)
class Planned:
    """Answers ``Match``, ``Reuse``, ``Apply``, ``Put``, ``Finish``: what is still needed, if any.

    After ``Apply`` a plan means that the delta is of no use. After ``Finish`` a plan with hashes is
    the wider second try. ``whole``: the version is verified and ready to commit, after ``Finish``
    or, for a small file that came in one piece, after its only ``Put``. ``error`` ends the
    transfer.
    """

    change: Change
    plan: Plan = Plan()
    error: str = ""
    whole: bool = False


@dataclass(frozen=True, slots=True)
class Applied:
    """One change in place. Bytes: ``fetched`` from the hub, ``reused`` from old files."""

    change: Change
    fetched: int = 0
    reused: int = 0
    conflict: str = ""  # where a local edit was kept aside, relative to the root


@dataclass(frozen=True, slots=True)
class Committed:
    """Answers ``Commit``. ``again`` were overtaken by a local change and must be prepared anew.

    ``failed``: the disk said no; ``refused``: policy did, for as long as nothing changes.
    """

    applied: tuple[Applied, ...]
    again: tuple[Change, ...] = ()
    failed: tuple[tuple[Change, str], ...] = ()
    refused: tuple[tuple[Change, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Saved:
    """Answers ``Save``: the position that the disk has now, or ``error`` if it took none."""

    position: Position | None
    error: str = ""


@dataclass(frozen=True, slots=True)
class Pruned:
    """Answers ``Prune``: deletions to prepare, as changes with the snapshot's seq 0."""

    changes: tuple[Change, ...]
    halted: str = ""  # the mass-deletion guard's reason


@dataclass(frozen=True, slots=True)
class Audited:
    """Answers ``Audit``: recorded changes that the disk no longer shows."""

    changes: tuple[Change, ...]
    error: str = ""  # why the disk could not be compared


Result = Prepared | Planned | Committed | Saved | Pruned | Audited
