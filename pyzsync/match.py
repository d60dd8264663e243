"""Finding old bytes by a stored tree alone: no file is read.

``compare_same_offset`` comes first; ``slide`` then finds what has moved. Each looks only at nodes
that are still unmatched, marks what it finds in the blueprint, and returns the bytes found.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from pyzsync.blueprint import Blueprint
from pyzsync.grid import FANOUT, node_size
from pyzsync.hashes import Hashes
from pyzsync.kernel import Join
from pyzsync.lookup import Lookup
from pyzsync.runs import Mask
from pyzsync.target import Target
from pyzsync.tree import HashTree
from pyzsync.weak import compose_columns

# Nodes worked on at once: bounds temporary copies to a few megabytes.
_CHUNK = 1 << 17


def compare_same_offset(
    blueprint: Blueprint, target: Target, old: HashTree, level: int, old_base: int = 0
) -> int:
    """Match nodes of ``level`` with the old tree's nodes at the same offsets, by digest.

    ``old_base`` is where the old tree's file begins in the space of old bytes.
    """
    if not old.has(level):
        return 0
    wanted, have, found = target.hashes(level), old.hashes(level), 0
    mask = _wanted(blueprint, target, level)[: len(have)]
    for part in _chunks(len(mask)):
        nodes = np.flatnonzero(mask[part]) + part.start
        nodes = nodes[_equal(wanted, nodes, have, nodes)]
        found += blueprint.fill("compare", level, nodes, old_base + nodes * node_size(level))
        old.rest()
    return found


def slide(blueprint: Blueprint, target: Target, old: HashTree, old_base: int, level: int) -> int:
    """Match nodes of ``level`` with old bytes that begin on any node of the old tree's base level.

    Moves by whole nodes of ``level`` are found by digest. For the others, the weak sum at every old
    base node follows from the stored base sums: those finds are hints, which the patch checks.
    """
    found = _join(blueprint, target, old, old_base, level)
    if level > old.base:
        found += _slide_sums(blueprint, target, old, old_base, level)
    return found


def _join(blueprint: Blueprint, target: Target, old: HashTree, old_base: int, level: int) -> int:
    """Match nodes of ``level`` with the old tree's nodes of that level, wherever they are."""
    mask = _wanted(blueprint, target, level)
    if not old.has(level) or not mask.any():
        return 0
    wanted, have, found = target.hashes(level), old.hashes(level), 0
    join = Join(mask.data, wanted.weak.data, wanted.strong.data, wanted.width)
    for part in _chunks(len(have)):
        join.feed(have.weak[part].data, have.strong[part].data, have.width, part.start)
        old.rest()
    source = np.frombuffer(join.places(), dtype="<i4")
    del join
    for part in _chunks(len(source)):
        nodes = np.flatnonzero(source[part] >= 0) + part.start
        places = source[nodes].astype(np.int64)
        found += blueprint.fill("slide", level, nodes, old_base + places * node_size(level))
    return found


def _slide_sums(
    blueprint: Blueprint, target: Target, old: HashTree, old_base: int, level: int
) -> int:
    """Match nodes of ``level`` with runs of old base nodes, by composed weak sums.

    32 bits are not enough to believe one find among millions of offsets, so a find counts only if
    the node before or after it stands beside it there too: a false one then needs two accidents.
    What stands alone is left to a finer level, where its children are each other's neighbours.
    """
    nodes = np.flatnonzero(_wanted(blueprint, target, level))
    if (
        len(nodes)
        and target.length % node_size(level)
        and nodes[-1] == len(target.known(level)) - 1
    ):
        nodes = nodes[:-1]  # the short last node has a weak sum of another length
    if not len(nodes):
        return 0
    wanted = target.hashes(level)
    sums = _composed(old, level)
    lookup = Lookup(wanted.weak[nodes])
    first = nodes[lookup.first]
    apart = FANOUT ** (level - old.base)
    where = np.full(len(lookup.keys), -1, dtype=np.int64)
    for part in _chunks(len(sums)):
        at, key = lookup.find(sums[part])
        node, place = first[key], at + part.start
        believed = _agrees(target, level, node + 1, sums, place + apart)
        believed |= _agrees(target, level, node - 1, sums, place - apart)
        _keep_first(where, at[believed], key[believed], part.start)
    source = where[lookup.inverse]
    hit = (source >= 0) & _equal(wanted, nodes, wanted, first[lookup.inverse])
    return blueprint.fill("slide", level, nodes[hit], old_base + source[hit] * node_size(old.base))


def _composed(old: HashTree, level: int) -> NDArray[np.uint32]:
    """The weak sum of a node of ``level`` at every old base node, by doubling (Karp and Rabin)."""
    unit = node_size(old.base)
    sums = old.hashes(old.base).weak[: old.length // unit]
    span = 1
    while span < FANOUT ** (level - old.base):
        if len(sums) <= span:
            return sums[:0]
        sums = compose_columns(sums[:-span], sums[span:], span * unit)
        span *= 2
    return sums


def _agrees(
    target: Target,
    level: int,
    nodes: NDArray[np.int64],
    sums: NDArray[np.uint32],
    places: NDArray[np.int64],
) -> Mask:
    """Are these nodes known, and do their weak sums stand at these places?"""
    known = target.known(level)
    inside = (nodes >= 0) & (nodes < len(known)) & (places >= 0) & (places < len(sums))
    nodes, places = np.where(inside, nodes, 0), np.where(inside, places, 0)
    agrees: Mask = inside & known[nodes] & (target.hashes(level).weak[nodes] == sums[places])
    return agrees


def _wanted(blueprint: Blueprint, target: Target, level: int) -> Mask:
    """Which nodes of ``level`` are known and have missing bytes."""
    return target.known(level) & blueprint.unmatched(level)


def _equal(a: Hashes, a_nodes: NDArray[np.int64], b: Hashes, b_nodes: NDArray[np.int64]) -> Mask:
    """Pair by pair: do node of ``a`` and node of ``b`` have equal hashes?"""
    same = np.zeros(len(a_nodes), dtype=np.bool_)
    for part in _chunks(len(a_nodes)):
        same[part] = a.take(a_nodes[part]).equal(b.take(b_nodes[part]))
    return same


def _keep_first(
    where: NDArray[np.int64], at: NDArray[np.int64], key: NDArray[np.int64], start: int
) -> None:
    """Sets the places of keys that have none; written backwards so that the first one stays."""
    new = where[key] < 0
    at, key = at[new][::-1], key[new][::-1]
    where[key] = at + start


def _chunks(count: int) -> Iterator[slice]:
    for start in range(0, count, _CHUNK):
        yield slice(start, min(start + _CHUNK, count))
