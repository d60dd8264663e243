"""What the publisher is told, and what it tells of itself."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from pyzsync_daemon.hub.observed import Observed
from pyzsync_daemon.hub.records import Batch

MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class PublisherSettings:
    """How the hub follows its root; every value has its reason beside it."""

    # Lines as in a .gitignore: what is not published.
    ignore: tuple[str, ...] = ()
    # Events get lost: the kernel's queue overflows, a network file system sends none.
    rescan_s: float = 60.0
    # A burst of events is collected at most this long. A path that was just read rests as long, and
    # twice as long each time it goes on changing.
    settle_s: float = 0.02
    # The longest rest: a file that is written all the time is announced about this often.
    settle_longest_s: float = 1.0
    # From here on a file is hashed on a lane of its own, so that small ones do not wait for it.
    big_bytes: int = 32 * MIB
    # Disk for hash trees of versions before the last two: with one, a client that was away for
    # several edits gets a delta.
    older_trees_bytes: int = 256 * MIB
    # More than this share of the tree does not go at once, beyond the floor (see guard.py).
    deletion_share: float = 0.5
    deletion_floor: int = 20
    # Believe the first halt of the guard: a person meant it.
    allow_mass_delete: bool = False
    # What is looked at again: files changed within a clock tick, directories that just appeared.
    second_look_s: float = 0.1
    # So long the first scan waits for the watch: arming it may mean to walk what symlinks lead to.
    arming_s: float = 5.0
    # Between two lines of the log while the tree is read for the first time.
    progress_s: float = 10.0
    # How long the first scan of a log waits, when all else is done, for what cannot be read, before
    # it counts as over: most copies are finished, and a file that is written for ever holds up
    # nobody.
    first_scan_patience_s: float = 10.0
    # Between two scans during that time.
    first_scan_again_s: float = 1.0
    # While halted the tree is scanned this often, or more rarely if it is large.
    halted_retry_s: float = 2.0


class State(StrEnum):
    """What the publisher does."""

    STARTING = "starting"  # the first scan goes on
    LIVE = "live"
    HALTED = "halted"  # announces nothing: the root vanished, or too much of it did


@dataclass(frozen=True, slots=True)
class Status:
    """A publisher at one moment. ``problems``: paths that are not announced, and why."""

    state: State
    reason: str
    watching: bool
    entries: int
    hashing: tuple[str, ...]
    problems: dict[str, str]


@dataclass(frozen=True, slots=True)
class Taken:
    """A group was queued. ``big`` files are not in it: they are read on a lane of their own.

    ``paths`` are all that differ; ``whole``: the whole tree was scanned; ``unread``: paths at which
    there may be something, and the system does not say.
    """

    paths: frozenset[str] = frozenset()
    big: tuple[Observed, ...] = ()
    problems: tuple[tuple[str, str], ...] = ()
    whole: bool = False
    unread: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Step:
    """What a chunk, or the ``big`` file, came to; ``since``: when its first path was noticed.

    ``again``: paths to be looked at a second time. Racy files are, and new directories when their
    group is done: what was put in them before they were watched has no event.
    """

    batch: Batch
    since: float
    unsettled: tuple[str, ...] = ()
    problems: tuple[tuple[str, str], ...] = ()
    again: tuple[str, ...] = ()
    big: str = ""
    seconds: float = 0.0  # what reading it took


class Halted(Exception):
    """Nothing is announced for now; ``reason`` says why, and what would help."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
