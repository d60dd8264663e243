"""The questions that a transfer asks, cut as the protocol wants them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from protocol import runs
from protocol.limits import WINDOW_NODES, max_nodes
from protocol.messages import BlockQuery, HashQuery
from pyzsync.grid import node_count, strong_width, window_bytes, window_count
from pyzsync.runs import Runs, mask_of, runs_of


def blocks(version: bytes, window: int, leaves: Runs) -> BlockQuery:
    """Ask for some leaves of a window."""
    return BlockQuery(version, window, runs.encode(leaves))


def all_blocks(version: bytes, length: int) -> Iterator[BlockQuery]:
    """Ask for every window whole, one after the other: a large file has very many."""
    for window in range(window_count(length)):
        leaves = node_count(window_bytes(length, window), 0)
        yield BlockQuery(version, window, runs.whole(leaves))


def hashes(
    version: bytes,
    length: int,
    level: int,
    wanted: NDArray[np.bool_] | None = None,
    since: bytes = b"",
) -> tuple[HashQuery, ...]:
    """Ask for the nodes of ``level`` that are ``wanted`` (None: all), each answer in one frame.

    With ``since``, for those of them that differ from that version's.
    """
    count = node_count(length, level)
    step = max_nodes(strong_width(length))
    queries = []
    for first in range(0, count, step):
        stop = min(first + step, count)
        window, within = divmod(first, WINDOW_NODES)
        found = [(0, stop - first)] if wanted is None else runs_of(wanted[first:stop])
        nodes = [(start + within, end + within) for start, end in found]
        if nodes:
            queries.append(HashQuery(version, level, window, runs.encode(nodes), since))
    return tuple(queries)


def without(leaves: Runs, gone: Runs) -> Runs:
    """The leaves that are not in ``gone``."""
    if not gone:
        return leaves
    mask = mask_of(leaves, WINDOW_NODES) & ~mask_of(gone, WINDOW_NODES)
    return runs_of(mask)
