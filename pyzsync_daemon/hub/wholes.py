"""Small files that are asked for whole: read at once, and checked against the version itself.

First syncs and check-outs are full of them. A version says of all bytes of a file whether they are
it, so no tree is opened and no leaf looked at by itself, and nothing is kept but the answer.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Final

from protocol import runs
from protocol.messages import BlockQuery, DeltaQuery, Query
from pyzsync import version_of_bytes
from pyzsync.grid import LEAF, node_count
from pyzsync_daemon.files.root import Root
from pyzsync_daemon.hub.index import HubIndex
from pyzsync_daemon.tally import Tally
from pyzsync_daemon.weight import weight

LITTLE: Final = 64 * 1024
"""Bytes that are read and coded in half a millisecond: of several such, none waits for a thread of
its own."""


def asks_for_little(query: Query) -> bool:
    """Whether the answer is quickly made."""
    return not isinstance(query, DeltaQuery) and weight(query) <= LITTLE


class WholeReader:
    """Reads small files beneath ``root``, from any thread; ``reads`` counts what was read."""

    def __init__(self, root: Root, index: HubIndex, reads: Tally) -> None:
        self._root = root
        self._index = index
        self._reads = reads

    def find(self, queries: Sequence[Query]) -> dict[Query, bytes]:
        """The bytes of those queries that ask for all of a small file which is there, and is what
        was announced. Whatever else is asked, or has happened, is not for here."""
        asked = [each for each in queries if isinstance(each, BlockQuery) and _whole(each)]
        paths = self._index.paths_of([each.version for each in asked])
        found: dict[Query, bytes] = {}
        with self._root.staying():
            for query in asked:
                path = paths.get(query.version)
                data = self._read(path, runs.count(query.leaves)) if path is not None else b""
                if data and version_of_bytes(data) == query.version:
                    found[query] = data
        return found

    def _read(self, path: str, leaves: int) -> bytes:
        """All bytes of a file of so many leaves; empty if it has more or fewer, or is no file."""
        size = leaves * LEAF
        try:
            # O_NONBLOCK: should a pipe stand there by now, do not wait for its writer.
            fd = self._root.open(path, os.O_RDONLY | os.O_NONBLOCK)
        except OSError:  # gone, or refused: who asks leaf by leaf tells which
            return b""
        try:
            data = os.read(fd, size + 1)
        except OSError:
            return b""
        finally:
            os.close(fd)
        self._reads.add(len(data))
        return data if node_count(len(data), 0) == leaves else b""


def _whole(query: BlockQuery) -> bool:
    """Whether there may be a small file that has no other leaves."""
    first = query.leaves == runs.whole(runs.count(query.leaves))
    return first and not query.window and asks_for_little(query)
