"""What goes to every client beside the announcement of an edit, so that few have to ask.

For a client that holds the version before, which is nearly every one: the hashes that differ from
it, and the delta, where that is quickly made and small. Others ask for what they need.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from protocol import runs
from protocol.codec import encode
from protocol.errors import ProtocolError
from protocol.messages import Change, DeltaQuery, HashQuery, Kind
from pyzsync.grid import PUSH_BUDGET, node_count, push_level
from pyzsync_daemon.files.trees import TreeStore
from pyzsync_daemon.hub.deltas import Bounds, DeltaMaker
from pyzsync_daemon.hub.hashlists import cut_hashlist

PUSH_CHANGES: Final = 64  # a page of more is a bulk change: clients ask for what they need of it
PUSH_BYTES: Final = 256 * 1024  # hashlists and deltas pushed with a page
HASHES: Final = 1024  # bytes of a hashlist that goes with any delta
QUICK: Final = Bounds(length=32 << 20, literal=1 << 20, searched=8 << 20, coded=PUSH_BYTES)
"""A delta that the announcement waits for: some ten milliseconds."""


class Pushes:
    """Makes pushed messages, on any thread. Without ``deltas`` only hashlists are pushed."""

    def __init__(self, store: TreeStore, deltas: DeltaMaker | None) -> None:
        self._store = store
        self._deltas = deltas

    def of(self, changes: Sequence[Change]) -> list[bytes]:
        """What to push with a page of ``changes``, encoded, within ``PUSH_BYTES``."""
        pushed: list[bytes] = []
        room = PUSH_BYTES
        if len(changes) > PUSH_CHANGES:
            return pushed
        edits = {(each.follows, each.version) for each in changes if _is_edit(each)}
        for change in changes:
            if (change.follows, change.version) not in edits:
                continue
            edits.discard((change.follows, change.version))  # once, if several paths changed so
            delta = self._delta(change)
            if total(delta) > room:
                delta = ()
            messages = [*beside(self._hashlist(change), delta), *delta]
            if total(messages) <= room:
                pushed += messages
                room -= total(messages)
        return pushed

    def _hashlist(self, change: Change) -> list[bytes]:
        """Of the finest level that fits the budget whole, the nodes that differ."""
        tree = self._store.load(change.version)
        if tree is None or not tree.length:
            return []
        level = max(push_level(tree.length, PUSH_BUDGET), tree.base)
        nodes = runs.whole(node_count(tree.length, level))
        query = HashQuery(change.version, level, 0, nodes)
        before = self._store.load(change.follows)
        if before is not None and before.has(level):
            query = HashQuery(change.version, level, 0, nodes, change.follows)
        return [encode(cut_hashlist(tree, query, before))]

    def _delta(self, change: Change) -> Sequence[bytes]:
        if self._deltas is None:
            return ()
        try:
            return self._deltas.make(DeltaQuery(change.follows, change.version), QUICK) or ()
        except (ProtocolError, OSError):  # not now; who asks for it is told why
            return ()


def beside(hashlist: Sequence[bytes], delta: Sequence[bytes]) -> Sequence[bytes]:
    """The hashlist that goes with a delta: nearly nobody needs both, so it has to be small."""
    return hashlist if not delta or total(hashlist) <= max(HASHES, total(delta) // 32) else ()


def total(messages: Sequence[bytes]) -> int:
    """Bytes of encoded messages."""
    return sum(map(len, messages))


def _is_edit(change: Change) -> bool:
    return change.kind is Kind.FILE and change.follows not in (b"", change.version)
