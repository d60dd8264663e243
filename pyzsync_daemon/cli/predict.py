"""What would travel for a change, counted on the messages that hub and client would send.

The same code cuts the hashlists, makes the delta, searches and compresses; only sockets and
staging are missing. Opening a connection (the handshake, Hello, Welcome) is not counted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from protocol import runs
from protocol.codec import announce_frames, encode, gets, join
from protocol.errors import Code
from protocol.messages import (
    Ack,
    Change,
    DeltaQuery,
    Failed,
    Hashlist,
    HashQuery,
    Kind,
    Message,
    Position,
    Query,
)
from pyzsync import Blueprint, HashTree, Runs, Target
from pyzsync.grid import LEAF, WINDOW, push_level, window_bytes, window_count
from pyzsync_daemon.client import queries
from pyzsync_daemon.client.pipeline import ASK_DELTA
from pyzsync_daemon.client.search import Search
from pyzsync_daemon.hub.deltas import ASKED, Bounds, make_delta
from pyzsync_daemon.hub.hashlists import cut_hashlist
from pyzsync_daemon.hub.pushes import PUSH_BYTES, QUICK, beside, total
from pyzsync_daemon.hub.source import make_blocks

Read = Callable[[int, int], bytes]

_MASK = 4  # bytes by which a client's WebSocket frame is longer than a hub's


@dataclass(frozen=True, slots=True)
class Old:
    """One old file, as a search wants it."""

    tree: HashTree
    read: Read

    @property
    def length(self) -> int:
        """Its bytes."""
        return self.tree.length

    def trees(self, base: int) -> Iterator[tuple[int, HashTree]]:
        """Its tree, if it keeps that level."""
        if self.tree.has(base):
            yield 0, self.tree


class Prediction:
    """One change of the file ``name`` from ``old`` to ``new``, whose bytes ``read`` returns."""

    def __init__(self, name: str, old: Old, new: HashTree, read: Read) -> None:
        self._name = name
        self._old = old
        self._new = new
        self._read = read
        self._bytes = 0

    def push(self) -> int:
        """For a client that follows and holds the old version: announcement, push, what is asked.

        Without a delta it goes on from the pushed hashes.
        """
        self._announced(self._old.tree.version)
        if self._differs:
            first = self._first(self._since)
            query = DeltaQuery(self._old.tree.version, self._new.version)
            delta = self._make(query, QUICK)
            if total(delta) > PUSH_BYTES:
                delta = []
            self._hub([*beside(self._hashlists(first), delta), *delta])
            if not delta and not self._asked_delta(query):
                self._pull(first, pushed=True)
        return self._bytes

    def pull(self) -> int:
        """For a client whose old file the hub does not know: hashes, coarse ones first, blocks."""
        self._announced(b"")
        if self._differs:
            self._pull(self._first(b""), pushed=False)
        return self._bytes

    @property
    def _differs(self) -> bool:
        return bool(self._new.length) and self._new.version != self._old.tree.version

    @property
    def _since(self) -> bytes:
        """The old version, if its tree can be compared with at the level that is pushed."""
        level = max(push_level(self._new.length), self._new.base)
        return self._old.tree.version if self._old.tree.has(level) else b""

    def _first(self, since: bytes) -> Sequence[HashQuery]:
        return Search.first(self._new.version, self._new.length, since)

    # --- what is said ----------------------------------------------------------------------------

    def _announced(self, follows: bytes) -> None:
        """The announcement, and the acknowledgement at the end."""
        self._bytes = 0
        new = self._new
        kind, now = Kind.FILE, 2**60
        change = Change(1, self._name, kind, 0o644, now, new.length, new.version, follows=follows)
        self._hub(announce_frames([change], Position(bytes(16), 1, bytes(32))))
        self._client([Ack(1)])

    def _asked_delta(self, query: DeltaQuery) -> bool:
        """The delta that was not pushed; False if there is none."""
        if self._new.length < ASK_DELTA:
            return False
        parts = self._make(query, ASKED)
        self._ask([query])
        self._hub(parts or [encode(Failed(query, Code.NO_DELTA))])
        return bool(parts)

    def _make(self, query: DeltaQuery, bounds: Bounds) -> list[bytes]:
        parts = make_delta(query, self._old.tree, self._new, self._leaves, bounds)
        return [encode(part) for part in parts or []]

    def _pull(self, wanted: Sequence[HashQuery], *, pushed: bool) -> None:
        """Hashes from the ``wanted`` ones on (the first are here if they were pushed), blocks."""
        version, size = self._new.version, self._new.length
        blueprint = Blueprint(size, self._new.base)
        search = Search(Target(version, size, self._new.base), blueprint, self._old)
        here = pushed
        while wanted and self._old.length:
            if not here:
                self._ask(wanted)
                self._hub(self._hashlists(wanted))
            here = False
            wanted = search.take(tuple(map(self._cut, wanted)))
        missing = ((window, blueprint.missing(window)) for window in range(window_count(size)))
        sets = [queries.blocks(version, window, leaves) for window, leaves in missing if leaves]
        self._ask(sets)
        for query in sets:
            data = self._leaves(query.window, runs.decode(query.leaves))
            self._hub([encode(part) for part in make_blocks(query, data)])

    def _hashlists(self, wanted: Iterable[HashQuery]) -> list[bytes]:
        return [encode(self._cut(query)) for query in wanted]

    def _cut(self, query: HashQuery) -> Hashlist:
        return cut_hashlist(self._new, query, self._old.tree)

    def _leaves(self, window: int, leaves: Runs) -> bytes:
        end = window_bytes(self._new.length, window)
        spans = ((start * LEAF, min(stop * LEAF, end)) for start, stop in leaves)
        return b"".join(self._read(window * WINDOW + at, stop - at) for at, stop in spans)

    # --- how it is packed ------------------------------------------------------------------------

    def _ask(self, wanted: Sequence[Query]) -> None:
        self._client(gets(wanted))

    def _hub(self, messages: Iterable[bytes]) -> None:
        for frame in join(messages):
            self._bytes += len(frame) + _header(len(frame))

    def _client(self, messages: Sequence[Message]) -> None:
        for frame in join(map(encode, messages)):
            self._bytes += len(frame) + _header(len(frame)) + _MASK


def _header(size: int) -> int:
    """Bytes of a WebSocket frame's header, without a mask (RFC 6455, section 5.2)."""
    if size < 126:
        return 2
    return 4 if size < 65_536 else 10
