"""How heavy an answer is before it is there: what hub and client bound their memory by."""

from __future__ import annotations

from protocol import runs
from protocol.limits import LEAF
from protocol.messages import BlockQuery, DeltaQuery, HashQuery, PublishedQuery, Query

HASH_ENTRY = 24  # bytes: the most that one node of a hashlist takes (4 of weak, 20 of strong)
DELTA = 2 * 2**20  # bytes: nobody knows before it is made; few come near the 10 MiB allowed
SMALL = 128  # bytes: what any other answer takes, about


def weight(query: Query) -> int:
    """About how many bytes the answer takes, decoded."""
    match query:
        case BlockQuery():
            return LEAF * runs.count(query.leaves)
        case HashQuery():
            return HASH_ENTRY * runs.count(query.nodes)
        case DeltaQuery():
            return DELTA
        case PublishedQuery():
            return SMALL
