"""Finding wanted nodes among an old tree's, wherever they are: what ``slide`` does by digest.

Where much is equal, most places follow from those of neighbours. So a table is first made of some
nodes only, then runs are extended from their places, and a second table holds what is left. A table
of all of them is 20 bytes a node, and to make it took longer than all the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sized

import numpy as np
from numpy.typing import NDArray

from pyzsync.hashes import Hashes
from pyzsync.kernel import Join, extend_runs
from pyzsync.runs import Mask

Places = NDArray[np.int32]
"""The index of an old node for each wanted one; -1: none."""

# Sums with one of these bits are not sampled: that leaves one node in 16.
_NOT_SAMPLED = 15
# With fewer wanted nodes one table is made quickly.
_LEAST = 1 << 14
# Nodes worked on at once: bounds temporary copies to a few megabytes.
_CHUNK = 1 << 17


def find_moved(
    wanted: Mask, hashes: Hashes, old: Hashes, rest: Callable[[], object] = lambda: None
) -> Places:
    """The places of those of these nodes that are wanted, where there is an equal old one.

    Nodes are equal as in the kernel's ``Join``. Of several equal old nodes one that continues a
    neighbour's place is likely to be taken, else the least. ``rest`` is called now and then: it may
    give back the memory of old columns that are mapped.
    """
    places = np.full(len(wanted), -1, dtype=np.int32)
    if not len(old) or not wanted.any():
        return places
    if np.count_nonzero(wanted) >= _LEAST:
        _look_up_some(places, wanted, hashes, old, rest)
        _extend(places, wanted, hashes, old, rest)
    nodes = np.flatnonzero(wanted & (places < 0))
    if len(nodes):
        places[nodes] = _look_up(hashes.take(nodes), (old[part] for part in _chunks(old, rest)))
    return places


def _look_up_some(
    places: Places, wanted: Mask, hashes: Hashes, old: Hashes, rest: Callable[[], object]
) -> None:
    """Fill in the places of sampled nodes: both sides sample by the sum, so equal ones alike."""
    nodes = np.concatenate(
        [
            np.flatnonzero(wanted[part] & _is_sampled(hashes.weak[part])) + part.start
            for part in _chunks(hashes, rest)
        ]
    )
    sampled: list[NDArray[np.intp]] = []

    def parts() -> Iterator[Hashes]:
        # By parts of all old nodes, so that a mapped tree's memory goes back in between.
        for part in _chunks(old, rest):
            sampled.append(np.flatnonzero(_is_sampled(old.weak[part])) + part.start)
            yield old.take(sampled[-1])

    found = _look_up(hashes.take(nodes), parts())
    hit = found >= 0
    places[nodes[hit]] = np.concatenate(sampled)[found[hit]]


def _is_sampled(weak: NDArray[np.uint32]) -> Mask:
    sampled: Mask = (weak & _NOT_SAMPLED) == 0
    return sampled


def _look_up(wanted: Hashes, parts: Iterable[Hashes]) -> Places:
    """The least place of each among the old nodes that are in these parts, one after another."""
    flags = np.ones(len(wanted), dtype=np.bool_)
    join, first = Join(flags.data, wanted.weak.data, wanted.strong.data, wanted.width), 0
    for part in parts:
        join.feed(part.weak.data, part.strong.data, part.width, first)
        first += len(part)
    return np.frombuffer(join.places(), dtype="<i4")


def _extend(
    places: Places, wanted: Mask, hashes: Hashes, old: Hashes, rest: Callable[[], object]
) -> None:
    """Extend runs from the places that are known; over the edges of chunks only forwards."""
    for part in _chunks(places, rest):
        part = slice(max(part.start - 1, 0), part.stop)
        more = extend_runs(
            places[part].data,
            wanted[part].data,
            hashes.weak[part].data,
            hashes.strong[part].data,
            hashes.width,
            old.weak.data,
            old.strong.data,
            old.width,
        )
        places[part] = np.frombuffer(more, dtype="<i4")


def _chunks(rows: Sized, rest: Callable[[], object]) -> Iterator[slice]:
    for start in range(0, len(rows), _CHUNK):
        yield slice(start, min(start + _CHUNK, len(rows)))
        rest()
