"""What goes to every client beside the announcement of an edit, so that few have to ask.

For a client that holds the version before, which is nearly every one: the hashes that differ from
it, and the delta, where that is quickly made and small. Where it is larger, or for a client that
holds an older version, the first one asks; what was made for it goes to the next ones unasked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from protocol import runs
from protocol.codec import encode
from protocol.errors import ProtocolError
from protocol.messages import Change, DeltaQuery, HashQuery, Kind
from pyzsync.grid import LEAF, PUSH_BUDGET, node_count, push_level
from pyzsync_daemon.files.trees import TreeStore
from pyzsync_daemon.hub.deltas import Bounds, DeltaMaker
from pyzsync_daemon.hub.hashlists import cut_hashlist

PUSH_CHANGES: Final = 64  # what is committed at a time; a client that gets more is far behind
PUSH_BYTES: Final = 1 << 20  # hashlists and deltas pushed with a page
LEARNED_BYTES: Final = 1 << 20  # deltas that were made for another client, with a page
HASHES: Final = 1024  # bytes of a hashlist that goes with any delta
QUICK: Final = Bounds(length=256 << 20, literal=2 << 20, searched=8 << 20, coded=PUSH_BYTES)
"""A delta that the announcement waits for: some ten milliseconds, less than to hash such a file."""


class Pushes:
    """Makes pushed messages, on any thread. Without ``deltas`` only hashlists are pushed."""

    def __init__(self, store: TreeStore, deltas: DeltaMaker | None) -> None:
        self._store = store
        self._deltas = deltas

    def of(
        self, changes: Sequence[Change], held: Mapping[str, bytes]
    ) -> tuple[list[bytes], tuple[DeltaQuery, ...]]:
        """What to push with a page of ``changes`` to clients that have the versions ``held``.

        Encoded, within ``PUSH_BYTES``; and the deltas that would be of use and are not among it.
        """
        pushed: list[bytes] = []
        lacking: list[DeltaQuery] = []
        room = PUSH_BYTES
        for query, change in _edits(changes, held).items():
            delta = self._delta(query, change)
            if total(delta) > room:
                delta = ()
            if not delta:
                lacking.append(query)
            messages = [*beside(self._hashlist(change, query.old), delta), *delta]
            if total(messages) <= room:
                pushed += messages
                room -= total(messages)
        return pushed, tuple(lacking)

    def learned(
        self, lacking: Sequence[DeltaQuery], room: int = LEARNED_BYTES
    ) -> dict[DeltaQuery, Sequence[bytes]]:
        """Those deltas that were made by now, because somebody asked; of ``room`` bytes at most."""
        found: dict[DeltaQuery, Sequence[bytes]] = {}
        if self._deltas is None:
            return found
        for query in lacking:
            delta = self._deltas.known(query)
            if delta and total(delta) <= room:
                found[query] = delta
                room -= total(delta)
        return found

    def _hashlist(self, change: Change, held: bytes) -> list[bytes]:
        """Of the finest level that fits the budget whole, the nodes that differ."""
        tree = self._store.load(change.version)
        if tree is None or not tree.length:
            return []
        level = max(push_level(tree.length, PUSH_BUDGET), tree.base)
        nodes = runs.whole(node_count(tree.length, level))
        query = HashQuery(change.version, level, 0, nodes)
        # A client compares only with the version that the change follows.
        before = self._store.load(held) if held == change.follows else None
        if before is not None and before.has(level):
            query = HashQuery(change.version, level, 0, nodes, held)
        return [encode(cut_hashlist(tree, query, before))]

    def _delta(self, query: DeltaQuery, change: Change) -> Sequence[bytes]:
        """One that is there, or that of a single step, which nearly everyone needs."""
        if self._deltas is None or change.size <= LEAF:  # one leaf, and it is another
            return ()
        if query.old != change.follows:
            return self._deltas.known(query)
        try:
            return self._deltas.make(query, QUICK) or ()
        except (ProtocolError, OSError):  # not now; who asks for it is told why
            return ()


def beside(hashlist: Sequence[bytes], delta: Sequence[bytes]) -> Sequence[bytes]:
    """The hashlist that goes with a delta: nearly nobody needs both, so it has to be small."""
    return hashlist if not delta or total(hashlist) <= max(HASHES, total(delta) // 32) else ()


def total(messages: Sequence[bytes]) -> int:
    """Bytes of encoded messages."""
    return sum(map(len, messages))


def _edits(changes: Sequence[Change], held: Mapping[str, bytes]) -> dict[DeltaQuery, Change]:
    """The deltas that lead to ``changes``: each once, if several paths changed alike."""
    edits: dict[DeltaQuery, Change] = {}
    for change in changes:
        old = held.get(change.path, b"")
        if change.kind is Kind.FILE and old not in (b"", change.version):
            edits.setdefault(DeltaQuery(old, change.version), change)
    return edits
