"""The one grid that every file is cut by, and the numbers that follow from it.

A node of level ``l`` covers ``LEAF * FANOUT**l`` bytes; level 0 are the leaves. The grid never
depends on a file's length, so appending one byte leaves all hashes before it as they were. Length
only chooses which level is the finest that is *kept* and which level is published first.
"""

from __future__ import annotations

LEAF = 512
FANOUT = 4
WINDOW_LEAVES = 4096
WINDOW_LEVEL = 6
WINDOW = LEAF * WINDOW_LEAVES

# Strong bytes kept of a node: 160 bits cannot be forged, and 24 bytes a node with the weak sum is
# 4.7 % of a leaf. Full digests (32 bytes) exist only while a window is folded.
KEPT_WIDTH = 20

# Up to here a tree keeps its leaves; beyond, one level coarser per factor FANOUT, so that no tree
# keeps more than 8 Mi finest nodes (about 270 MB with the levels above them).
_LEAVES_KEPT_UP_TO = 4 << 30

PUSH_BUDGET = 32 * 1024


def node_size(level: int) -> int:
    """Bytes covered by a whole node of ``level``."""
    size: int = LEAF * FANOUT**level
    return size


def node_count(length: int, level: int) -> int:
    """Nodes of ``level`` in a file of ``length`` bytes, a short last one included."""
    return -(-length // node_size(level))


def top_level(length: int) -> int:
    """The smallest level with at most one node."""
    level = 0
    while node_count(length, level) > 1:
        level += 1
    return level


def finest_kept(length: int) -> int:
    """The finest level that a stored tree keeps; never coarser than a window."""
    level = 0
    while level < WINDOW_LEVEL and length > _LEAVES_KEPT_UP_TO * FANOUT**level:
        level += 1
    return level


def window_count(length: int) -> int:
    """Windows (2 MiB, 4096 leaves) in a file of ``length`` bytes."""
    return -(-length // WINDOW)


def window_bytes(length: int, window: int) -> int:
    """Bytes in one window; ValueError if the file has no such window."""
    if not 0 <= window < window_count(length):
        raise ValueError(f"window {window} is outside a file of {length} bytes")
    return min(WINDOW, length - window * WINDOW)


def strong_width(length: int) -> int:
    """Strong bytes that an entry carries on the wire, next to 4 bytes of weak.

    A rolling scan of an old file up to four times as long compares ``4 * length`` offsets with as
    many entries as there are leaves; 32 bits of that are paid by the weak sum. The rest, and a
    margin of 2**-40 for the whole scan, must come from here. The version is checked in full anyway.
    """
    leaves = max(node_count(length, 0), 1)
    bits = 40 + _log2_up(4 * max(length, 1)) + _log2_up(leaves) - 32
    return min(max(-(-bits // 8), 5), KEPT_WIDTH)


def push_level(length: int, budget: int = PUSH_BUDGET) -> int:
    """The finest kept level whose whole hashlist fits into ``budget`` bytes on the wire."""
    entry = 4 + strong_width(length)
    level = finest_kept(length)
    while node_count(length, level) > 1 and entry * node_count(length, level) > budget:
        level += 1
    return level


def _log2_up(value: int) -> int:
    """Ceiling of the binary logarithm of a positive number."""
    return (value - 1).bit_length()
