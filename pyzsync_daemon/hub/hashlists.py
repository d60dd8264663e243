"""Hashlists cut from stored trees."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from protocol import runs
from protocol.errors import BadMessage, Code, ProtocolError
from protocol.messages import Hashlist, HashQuery
from pyzsync.grid import WINDOW_LEAVES, node_count, strong_width
from pyzsync.runs import Mask, mask_of, runs_of
from pyzsync.tree import HashTree


def cut_hashlist(tree: HashTree, query: HashQuery, since: HashTree | None) -> Hashlist:
    """The asked nodes, cut to their width on the wire; with ``query.since``, those that differ.

    ``since`` is the tree of that version. Raises ``ProtocolError``: BAD_MESSAGE for nodes that the
    tree has not, UNKNOWN_VERSION if the other tree cannot be compared with.
    """
    if not tree.has(query.level):
        raise BadMessage("HashQuery.level", f"is not kept; the finest is {tree.base}")
    first = query.window * WINDOW_LEAVES
    count = min(node_count(tree.length, query.level) - first, WINDOW_LEAVES)
    if count <= 0:
        raise BadMessage("HashQuery.window", "is beyond the end of the file")
    wanted = mask_of(runs.decode(query.nodes, count), count)
    if query.since:
        if since is None or not since.has(query.level):
            raise ProtocolError(Code.UNKNOWN_VERSION)
        wanted &= _differs(tree, since, query.level, first, count)
        query = replace(query, nodes=runs.encode(runs_of(wanted)))
    width = strong_width(tree.length)
    chosen = tree.hashes(query.level).take(first + np.flatnonzero(wanted)).cut(width)
    return Hashlist(query, width, chosen.weak_bytes(), chosen.strong_bytes())


def _differs(tree: HashTree, old: HashTree, level: int, first: int, count: int) -> Mask:
    """Which of ``count`` nodes from ``first`` on are not the same in the old tree."""
    before = old.hashes(level)[first : first + count]  # fewer, or none, if it was shorter
    mask = np.ones(count, dtype=np.bool_)
    mask[: len(before)] = ~tree.hashes(level, first, len(before)).equal(before)
    return mask
