"""The kernel: the few loops over single bytes, in C where it is built, else in numpy.

`PYZSYNC_KERNEL=c` or `numpy` is a demand, not a preference: if it cannot be met, the import fails.
So is `PYZSYNC_SIMD=avx512`, `avx2` or `portable`, which names the variant of the C kernel's inner
loops; with no demand the best that the CPU runs is taken.
Both kernels have the same names, signatures, results and errors; one test class holds them to it.
Data comes in as any contiguous buffer and goes out as packed bytes, numbers little-endian.

    name, simd                      "c" or "numpy"; "avx512", "avx2", "portable" or "none"
    hash_leaves(data)               -> weak (4 bytes a leaf), strong (32 bytes a leaf)
    hash_nodes(weak, strong, child_size, length)
                                    -> the same of the level above; each child covers child_size
                                       bytes, all of them `length`; FANOUT children a node
    hash_levels(data, base, last, width)
                                    -> the same of the levels base to last (at most 20) of the data,
                                       one behind the other, digests cut to `width` (1 to 32); and
                                       two full digests: of the one node of level last, and of the
                                       lowest level that has one node
    equal_rows(a, b, width)         -> one byte a row of `width` bytes: 1 where a and b are equal
    extend_runs(places, flags, weak, strong, width, old_weak, old_strong, old_width)
                                    -> places of wanted nodes by those of neighbours, see below
    Join(flags, weak, strong, width)
                                    where wanted nodes are among old ones, see below
    Matcher(weak, strong, width, block)
                                    the rolling search for wanted blocks, see below

Wrong sizes raise ValueError.

The C kernel gives up the GIL in every call. The twin works in slices, and numpy gives up the GIL in
most of its steps, but it still competes for it: hand it no more than a window (2 MiB) a call, so
that other threads get their turn in between.

Join. Of n nodes with these hashes (4 and `width` bytes each, width 4 to 32; the buffers are kept,
not copied) those are wanted whose byte of `flags` is not 0. `feed(weak, strong, width, place)`
takes old nodes, the first of which is at `place`; any number of threads may do so, in any order.
`places()` is an int32 for each of the n nodes: the least place where an old one is equal to it, or
-1. Nodes are equal if their weak sums are and the strong bytes that both have. The weak sum and the
first four strong bytes are a node's key: a wanted node that differs from one before it with the
same key is not looked for (chance makes none; crafted ones cost no more time than others).

Runs. `extend_runs` takes and returns an int32 for each of the n nodes: its place among the old ones
(which are 0 to m-1), or -1. A node that is wanted and has no place takes the one behind its left
neighbour's, if the old node there is equal to it, from the first node to the last; then the one
before its right neighbour's, from the last to the first.

Matcher. Each of the n wanted blocks is `block` = LEAF * FANOUT**k bytes long; `weak` has 4*n
bytes, `strong` `width`*n (1 to 32 each: the digest of a leaf or a node, cut; the buffer is kept,
not copied). `scan(data, base, done)` tries the windows of data from the left. After a match it
tries the window right behind; if that matches too, it passes over those between them, so that where
files agree it need not roll. `base` is the offset of data[0] in what is being scanned, and pieces
of it must overlap by block-1 bytes. `scan_ranges(data, base, ranges, done)` scans each of some
ranges of offsets by itself: `ranges` has an int64 start and stop for each, and what data has not of
them is left out. `offsets()` is an int64 for each wanted block: the least offset where it was
found, or -1; equal wanted blocks share one find. `pending` is the number of distinct wanted blocks
not yet found, `hashed` of windows whose strong hash decided.

A block that was found is not looked for again, so that it does not hide others that overlap its
copies. By itself that would let the result depend on which of two threads is quicker: a scan goes
by what it found itself, and by what was found before the offset `done` (if negative: before
`base`). If all that lies before `done` has been scanned when a call begins, the result depends on
the pieces and their `done` alone, however many threads share the Matcher. Once nothing is pending,
pieces behind all those begun need not be scanned.

Only the strong hash decides a match. Time is linear in the data whatever bytes and hashes are
crafted, by three rules, which hold for each call:

- a weak sum whose wanted blocks all count as found is not looked for (an all-zero file), unless
  there are more than 8 of them; finding one of those again is a window hashed in vain;
- a weak sum that made 64 windows be hashed in vain, and one more for each GiB passed, is given up
  for the rest of the call (chance makes a quarter of one a GiB);
- windows hashed in vain may be 16, and for each block's length passed 8 more and twice what chance
  makes (distinct * block / 2**32: one where 4 GiB are wanted); beyond that, windows go unhashed.
"""

from __future__ import annotations

import importlib
import os
from types import ModuleType
from typing import TYPE_CHECKING

__all__ = [
    "Join",
    "Matcher",
    "equal_rows",
    "extend_runs",
    "hash_leaves",
    "hash_levels",
    "hash_nodes",
    "name",
    "simd",
]

_MODULES = {"c": "pyzsync._kernel", "numpy": "pyzsync._numpy_kernel"}


def _load(demand: str) -> ModuleType:
    """The demanded kernel, or with no demand ("") the quickest there is."""
    if demand:
        if demand not in _MODULES:
            raise ImportError(
                f"PYZSYNC_KERNEL={demand} demands an unknown kernel: "
                "set it to c or numpy, or unset it"
            )
        try:
            return importlib.import_module(_MODULES[demand])
        except ImportError as error:
            raise ImportError(
                f"PYZSYNC_KERNEL={demand} demands a kernel that cannot be imported ({error}): "
                "build it with a C compiler, or unset it"
            ) from error
    try:
        return importlib.import_module(_MODULES["c"])
    except ImportError:
        # The extension is optional: there was no compiler when the package was installed.
        return importlib.import_module(_MODULES["numpy"])


def _choose_simd(kernel: ModuleType, demand: str) -> str:
    """The variant in use, which is the demanded one if there is a demand."""
    variants = kernel.simd_variants() if kernel.name == "c" else ["none"]
    if demand and demand not in variants:
        raise ImportError(
            f"PYZSYNC_SIMD={demand} demands a variant that does not run here "
            f"({', '.join(variants)}): set it to one that does, or unset it"
        )
    if demand and kernel.name == "c":
        kernel.use_simd(demand)
    return demand or variants[0]


if TYPE_CHECKING:
    from pyzsync._kernel import (
        Join,
        Matcher,
        equal_rows,
        extend_runs,
        hash_leaves,
        hash_levels,
        hash_nodes,
        name,
    )

    simd: str
else:
    _kernel = _load(os.environ.get("PYZSYNC_KERNEL", ""))
    name = _kernel.name
    simd = _choose_simd(_kernel, os.environ.get("PYZSYNC_SIMD", ""))
    hash_leaves = _kernel.hash_leaves
    hash_levels = _kernel.hash_levels
    hash_nodes = _kernel.hash_nodes
    equal_rows = _kernel.equal_rows
    extend_runs = _kernel.extend_runs
    Join = _kernel.Join
    Matcher = _kernel.Matcher
