"""Everything a hub and a client may say to each other, as frozen values.

A WebSocket message (a *frame*) carries one or more of these, back to back; ``protocol.codec`` turns
them into bytes and checks every bound on the way in, so a message that exists is a valid one.

No request carries an id: every answer names what it answers (version, level, window, nodes), and
is a function of that alone, so the hub encodes it once and sends the same bytes to everyone.

Units: lengths and offsets are bytes, ``*_ns`` nanoseconds since the epoch, ``*_ms`` milliseconds.
Versions, identities and heads are 32 bytes. ``protocol/SPEC.md`` is the written form.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum, IntFlag

from protocol.errors import Code


class Kind(IntEnum):
    """What a path is after a change."""

    ABSENT = 0
    FILE = 1
    DIRECTORY = 2
    SYMLINK = 3


class Flag(IntFlag):
    """What else is known of an entry."""

    NONE = 0
    SPARSE = 1  # the file has holes on the hub; the replica keeps runs of zeros as holes


class Coding(IntEnum):
    """How the bytes of a block set or a delta are coded."""

    RAW = 0
    ZSTD = 1


@dataclass(frozen=True, slots=True)
class Position:
    """How far a replica follows the announcement log.

    ``head`` chains all batches up to ``seq``: a log restored from a backup and written on has the
    same ``epoch`` and a ``seq`` that was seen before, but another head.
    """

    epoch: bytes  # 16 bytes
    seq: int
    head: bytes  # 32 bytes


@dataclass(frozen=True, slots=True)
class Change:
    """One path's new state. ``version`` and ``size`` are a file's, ``target`` a symlink's.

    ``follows`` is the version that the path had before on the hub (empty if it was no file).
    """

    seq: int
    path: str
    kind: Kind
    mode: int = 0
    mtime_ns: int = 0
    size: int = 0
    version: bytes = b""
    target: str = ""
    follows: bytes = b""
    flags: Flag = Flag.NONE

    @property
    def sparse(self) -> bool:
        """Whether the replica keeps runs of zeros as holes."""
        # Most have no flag at all, and to combine flags takes Python a microsecond.
        return self.flags is not Flag.NONE and Flag.SPARSE in self.flags


@dataclass(frozen=True, slots=True)
class Hello:
    """The client's first message. ``hub`` is the identity it has pinned (empty: none yet)."""

    protocols: tuple[int, ...]
    features: tuple[str, ...]
    agent: str
    hub: bytes = b""
    position: Position | None = None


@dataclass(frozen=True, slots=True)
class Welcome:
    """The hub's answer. ``resumed``: changes since the position follow, else a snapshot."""

    protocol: int
    features: tuple[str, ...]
    agent: str
    hub: bytes
    view: bytes
    resumed: bool
    requests: int  # how many queries the client may have unanswered


@dataclass(frozen=True, slots=True)
class Announce:
    """Changes, oldest first; ``position`` closes a batch (with ``snapshot``: all of it)."""

    changes: tuple[Change, ...]
    position: Position | None = None
    snapshot: bool = False


@dataclass(frozen=True, slots=True)
class HashQuery:
    """Hashes of some nodes of one window of one level: names a ``Hashlist``.

    ``nodes`` is a run set (``protocol.runs``) of indices within the window; a window of a level is
    4096 nodes. ``since`` names the version against which an incremental hashlist was cut: only
    the nodes that differ from it are listed; empty for an absolute one.
    """

    version: bytes
    level: int
    window: int
    nodes: bytes
    since: bytes = b""


@dataclass(frozen=True, slots=True)
class BlockQuery:
    """Leaves of one window of one version: names a block set. ``leaves`` is a run set."""

    version: bytes
    window: int
    leaves: bytes


@dataclass(frozen=True, slots=True)
class DeltaQuery:
    """The delta that carries one version to another, from part ``first`` on.

    The parts that answer it are those of the whole delta, and name it with ``first`` 0.
    """

    old: bytes
    new: bytes
    first: int = 0


@dataclass(frozen=True, slots=True)
class PublishedQuery:
    """Did the hub ever publish this version at this path?"""

    path: str
    version: bytes


Query = HashQuery | BlockQuery | DeltaQuery | PublishedQuery


@dataclass(frozen=True, slots=True)
class Get:
    """Asks for any number of answers at once (many small files travel as one request)."""

    queries: tuple[Query, ...]


@dataclass(frozen=True, slots=True)
class Hashlist:
    """Columns of the nodes named by ``query``: 4 bytes of weak and ``width`` of strong for each."""

    query: HashQuery
    width: int
    weak: bytes
    strong: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Blocks:
    """Part ``part`` of ``parts`` of a block set; the parts' data joined are one coded run of bytes.

    Decoded, they are ``size`` bytes: the asked leaves in ascending order, without those in
    ``gone`` (a run set), whose bytes the hub no longer has.
    """

    query: BlockQuery
    part: int
    parts: int
    coding: Coding
    size: int
    gone: bytes
    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Delta:
    """Part ``part`` of ``parts`` of a delta (its form: SPEC.md, "Delta")."""

    query: DeltaQuery
    part: int
    parts: int
    coding: Coding
    size: int
    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Published:
    """Answers a ``PublishedQuery``."""

    query: PublishedQuery
    known: bool


@dataclass(frozen=True, slots=True)
class Failed:
    """A query that cannot be answered, and why; the connection goes on."""

    query: Query
    code: Code
    retry_after_ms: int = 0


@dataclass(frozen=True, slots=True)
class Ack:
    """Low watermark: every change up to ``seq`` is applied or superseded."""

    seq: int


@dataclass(frozen=True, slots=True)
class Goodbye:
    """The last message of a side that closes: why, and when to come back (0: no advice)."""

    code: Code
    detail: str = ""
    retry_after_ms: int = 0


Message = (
    Hello
    | Welcome
    | Announce
    | Get
    | Hashlist
    | Blocks
    | Delta
    | Published
    | Failed
    | Ack
    | Goodbye
)
