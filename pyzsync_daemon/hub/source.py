"""The block source: the answer to a query, encoded.

A hashlist is a slice of a stored tree. A block set is read from disk by ``LeafReader``, which
checks every leaf, so that only what was announced leaves the hub; where a file has moved on, the
leaves that still hold are served and the others named as gone. A delta is made by ``DeltaMaker``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import structlog

from protocol import runs
from protocol.codec import encode
from protocol.errors import BadMessage, Code, ProtocolError
from protocol.limits import MAX_PAYLOAD
from protocol.messages import (
    BlockQuery,
    Blocks,
    DeltaQuery,
    Failed,
    Hashlist,
    HashQuery,
    Published,
    PublishedQuery,
    Query,
)
from pyzsync.grid import node_count, window_bytes, window_count
from pyzsync.tree import HashTree
from pyzsync_daemon.compression import compress
from pyzsync_daemon.files.root import Root
from pyzsync_daemon.files.trees import TreeStore
from pyzsync_daemon.hub.deltas import DeltaMaker
from pyzsync_daemon.hub.frames import Answer, KeptAnswers
from pyzsync_daemon.hub.hashlists import cut_hashlist
from pyzsync_daemon.hub.index import HubIndex
from pyzsync_daemon.hub.leafcache import LeafCache
from pyzsync_daemon.hub.leaves import LeafReader
from pyzsync_daemon.hub.wholes import WholeReader
from pyzsync_daemon.tally import Tally

# A failing disk, or a tree that is made again, is not asked for again at once; a client's own
# back-off goes on from here.
RETRY_MS = 1000


class BlockSource:
    """Answers queries, from any thread; deltas from what is ``kept``, if they are there.

    ``on_stale(path)`` is called, on the asking thread, when a file no longer holds what the index
    says of it, or its tree is lost. ``leaves`` counts what was read, ``deltas`` what was searched.
    """

    def __init__(
        self,
        root: Root,
        index: HubIndex,
        store: TreeStore,
        kept: KeptAnswers,
        on_stale: Callable[[str], None],
    ) -> None:
        self.leaves = LeafCache(LeafReader(root, index, on_stale))
        self._wholes = WholeReader(root, index, self.leaves.reads)
        self.deltas = DeltaMaker(store, self.leaves, kept)
        self._index = index
        self._store = store
        self._on_stale = on_stale
        self._log = structlog.get_logger()
        self._sets = Tally()

    @property
    def encoded(self) -> int:
        """Block sets and deltas that were compressed and encoded."""
        return self._sets.count + self.deltas.encoded.count

    def answers(self, queries: Sequence[Query]) -> list[Answer]:
        """The encoded answers, in order; small files are looked up together."""
        wholes = self._wholes.find(queries)
        return [self.answer(query, wholes.get(query)) for query in queries]

    def answer(self, query: Query, whole: bytes | None = None) -> Answer:
        """Return the encoded answer: a ``Failed`` if the query or the disk is bad.

        ``whole`` are the bytes of a block set that were read and checked already.
        """
        try:
            match query:
                case HashQuery():
                    return Answer((encode(self._hashlist(query)),))
                case BlockQuery():
                    return self._blocks(query) if whole is None else self._coded(query, whole)
                case PublishedQuery():
                    known = self._index.published(query.path, query.version)
                    return Answer((encode(Published(query, known)),), lasting=False)
                case DeltaQuery():
                    return self._delta(query)
        except ProtocolError as error:
            failed = Failed(query, error.code, error.retry_after_ms)
        except OSError as error:
            self._log.error("the disk failed while a client was answered", error=str(error))
            failed = Failed(query, Code.INTERNAL, RETRY_MS)
        return Answer((encode(failed),), lasting=False)

    def _tree(self, version: bytes) -> HashTree:
        tree = self._store.load(version)
        if tree is not None:
            return tree
        path = self._index.path_of(version)
        if path is None:
            raise ProtocolError(Code.UNKNOWN_VERSION)
        self._on_stale(path)  # somebody deleted the tree: the file is read again
        raise ProtocolError(Code.BUSY, "the hash tree is being made again", RETRY_MS)

    def _hashlist(self, query: HashQuery) -> Hashlist:
        since = self._store.load(query.since) if query.since else None
        return cut_hashlist(self._tree(query.version), query, since)

    def _delta(self, query: DeltaQuery) -> Answer:
        frames = self.deltas.make(query)
        if frames is None:
            return Answer((encode(Failed(query, Code.NO_DELTA)),), refusal=True)
        return Answer(frames)

    def _blocks(self, query: BlockQuery) -> Answer:
        tree = self._tree(query.version)
        if query.window >= window_count(tree.length):
            raise BadMessage("BlockQuery.window", "is beyond the end of the file")
        count = node_count(window_bytes(tree.length, query.window), 0)
        asked = runs.decode(query.leaves, count)
        pieces, gone = self.leaves.find(tree, query.window, asked)
        tree.rest()
        return self._coded(query, b"".join(piece.data for piece in pieces), runs.encode(gone))

    def _coded(self, query: BlockQuery, data: bytes, gone: bytes = b"") -> Answer:
        self._sets.add()
        frames = tuple(map(encode, make_blocks(query, data, gone)))
        return Answer(frames, lasting=not gone)


def make_blocks(query: BlockQuery, data: bytes, gone: bytes = b"") -> list[Blocks]:
    """The parts of a block set whose leaves, but for those ``gone``, are ``data``."""
    coding, coded = compress(data)
    parts = [coded[at : at + MAX_PAYLOAD] for at in range(0, len(coded), MAX_PAYLOAD)] or [b""]
    return [
        Blocks(query, part, len(parts), coding, len(data), gone, payload)
        for part, payload in enumerate(parts)
    ]
