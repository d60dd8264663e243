"""Deltas: what turns one published version into the next, searched and encoded once for everyone.

Only the old version's hash tree is needed, and of the new file the leaves that neither tree knows;
they are read and checked by ``LeafCache`` like those of any block set.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from protocol.codec import encode
from protocol.errors import Code, ProtocolError
from protocol.limits import MAX_DELTA, MAX_DELTA_PARTS, MAX_PAYLOAD
from protocol.messages import Coding, Delta, DeltaQuery
from pyzsync import HashTree, Runs, Steps, encode_steps, find_steps, literals
from pyzsync_daemon.compression import Deflater
from pyzsync_daemon.files.trees import TreeStore
from pyzsync_daemon.hub.frames import Answer, KeptAnswers
from pyzsync_daemon.hub.leafcache import LeafCache
from pyzsync_daemon.tally import Tally

Read = Callable[[int, Runs], bytes]


@dataclass(frozen=True, slots=True)
class Bounds:
    """What making a delta may cost, and how large it may be."""

    length: int  # of the new version
    literal: int  # bytes that no old leaf gives
    searched: int  # bytes rolled over, about 0.5 s a GiB and core
    coded: int


ASKED: Final = Bounds(
    length=64 << 30, literal=MAX_DELTA // 2, searched=4 << 30, coded=MAX_DELTA_PARTS * MAX_PAYLOAD
)
"""A delta that a client asks for, in a thread of its own."""


class DeltaMaker:
    """Makes deltas, on any thread, and puts them to the answers that are ``kept``.

    ``searched`` and ``encoded`` count what it took.
    """

    def __init__(self, store: TreeStore, leaves: LeafCache, kept: KeptAnswers) -> None:
        self.searched = Tally()
        self.encoded = Tally()
        self._store = store
        self._leaves = leaves
        self._kept = kept

    def known(self, query: DeltaQuery) -> tuple[bytes, ...]:
        """The encoded parts, if they were made before; else none."""
        kept = self._kept.get(query)
        return () if kept is None or kept.refusal else kept.frames

    def make(self, query: DeltaQuery, bounds: Bounds = ASKED) -> tuple[bytes, ...] | None:
        """The encoded parts; None if there is no delta within the bounds.

        Raises ``ProtocolError``: NO_DELTA without both trees, GONE if the file has moved on.
        """
        if known := self.known(query):
            return known
        old, new = self._tree(query.old), self._tree(query.new)
        self.searched.add()
        parts = make_delta(query, old, new, lambda *leaves: self._read(new, *leaves), bounds)
        if parts is None:
            return None
        self.encoded.add(sum(len(part.data) for part in parts))
        frames = tuple(map(encode, parts))
        self._kept.put(query, Answer(frames))
        return frames

    def _tree(self, version: bytes) -> HashTree:
        tree = self._store.load(version)
        if tree is None:
            raise ProtocolError(Code.NO_DELTA)
        return tree

    def _read(self, tree: HashTree, window: int, leaves: Runs) -> bytes:
        pieces, gone = self._leaves.find(tree, window, leaves)
        if gone:
            raise ProtocolError(Code.GONE)
        return b"".join(piece.data for piece in pieces)


def make_delta(
    query: DeltaQuery, old: HashTree, new: HashTree, read: Read, bounds: Bounds
) -> list[Delta] | None:
    """The parts of a delta; None if there is none within the bounds."""
    if new.length > bounds.length:
        return None
    steps = find_steps(old, new, read, bounds.literal, bounds.searched)
    if steps is None:
        return None
    coded = _coded(steps, read, min(bounds.coded, new.length))
    if coded is None:
        return None
    size, data = coded
    parts = [data[at : at + MAX_PAYLOAD] for at in range(0, len(data), MAX_PAYLOAD)]
    return [
        Delta(query, part, len(parts), Coding.ZSTD, size, payload)
        for part, payload in enumerate(parts)
    ]


def _coded(steps: Steps, read: Read, limit: int) -> tuple[int, bytes] | None:
    """Decoded size and zstd frame; None as soon as it is larger than ``limit``."""
    coded_steps = encode_steps(steps)
    deflater = Deflater(len(coded_steps) + steps.literal_bytes)
    deflater.put(coded_steps)
    for piece in literals(steps, read):
        deflater.put(piece)
        if deflater.coded_size > limit:
            return None
    data = deflater.finish()
    return (deflater.size, data) if len(data) <= limit else None
