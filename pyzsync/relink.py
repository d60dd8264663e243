"""Of equal old blocks, taking the one that continues its neighbour: fewer, longer copies."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from pyzsync.hashes import Hashes

# Rounds of one node at every break. A repeated block a few hundred nodes long is common (zeros, a
# form); in longer ones every copy is long enough already.
_ROUNDS = 1024

# Nodes looked at at once: bounds temporary copies to a few megabytes.
_CHUNK = 1 << 17
_COMPARED = 1 << 11  # that are compared: they lie apart, so each may bring in pages of both columns


def relink(
    source: NDArray[np.int64],
    old: Hashes,
    new: Hashes,
    unit: int,
    rest: Callable[[], object] = lambda: None,
) -> None:
    """Move sources (old offsets of the new nodes, -1: none) to equal old nodes, in place.

    ``rest`` is called now and then: it may give back the memory of columns that are mapped.

    Forwards, a node takes the old node after the one that its left neighbour takes, if that is
    equal; then backwards in the same way.
    """
    for side in (1, -1):
        nodes = _breaks(source, side, unit)
        for _ in range(_ROUNDS):
            nodes, places = _better(source, nodes, old, new, unit, side, rest)
            if not len(nodes):
                break
            source[nodes] = places * unit
            nodes = nodes + side
            nodes = nodes[(nodes >= 0) & (nodes < len(source))]
            nodes = nodes[_is_break(source, nodes, side, unit)]


def _breaks(source: NDArray[np.int64], side: int, unit: int) -> NDArray[np.int64]:
    """Nodes whose neighbour before them (``side`` 1; -1: behind them) is copied from elsewhere."""
    first, stop = (1, len(source)) if side == 1 else (0, len(source) - 1)
    found = [np.zeros(0, dtype=np.int64)]
    for start in range(first, stop, _CHUNK):
        nodes = np.arange(start, min(start + _CHUNK, stop))
        found.append(nodes[_is_break(source, nodes, side, unit)])
    return np.concatenate(found)


def _is_break(
    source: NDArray[np.int64], nodes: NDArray[np.int64], side: int, unit: int
) -> NDArray[np.bool_]:
    own, near = source[nodes], source[nodes - side]
    found: NDArray[np.bool_] = (own >= 0) & (near >= 0) & (own != near + side * unit)
    return found


def _better(
    source: NDArray[np.int64],
    nodes: NDArray[np.int64],
    old: Hashes,
    new: Hashes,
    unit: int,
    side: int,
    rest: Callable[[], object],
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Which of the nodes equal the old node that continues their neighbour's, and that one."""
    places = source[nodes - side] // unit + side
    inside = (places >= 0) & (places < len(old))
    nodes, places = nodes[inside], places[inside]
    same = np.zeros(len(nodes), dtype=np.bool_)
    for start in range(0, len(nodes), _COMPARED):
        part = slice(start, start + _COMPARED)
        same[part] = new.take(nodes[part]).equal(old.take(places[part]))
        rest()
    return nodes[same], places[same]
