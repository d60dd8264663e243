"""The kernel: the few loops over single bytes, in C where it is built, else in numpy.

`PYZSYNC_KERNEL=c` or `numpy` is a demand, not a preference: if it cannot be met, the import fails.
Both kernels have the same names, signatures, results and errors; one test class holds them to it.
Data comes in as any contiguous buffer and goes out as packed bytes, numbers little-endian.

    name                            "c" or "numpy"
    hash_leaves(data)               -> weak (4 bytes a leaf), strong (32 bytes a leaf)
    hash_nodes(weak, strong, child_size, length)
                                    -> the same of the level above; each child covers child_size
                                       bytes, all of them `length`; FANOUT children a node
    equal_rows(a, b, width)         -> one byte a row of `width` bytes: 1 where a and b are equal
    Matcher(weak, strong, width, block)
                                    the rolling search for wanted blocks, see below

Wrong sizes raise ValueError.

The C kernel gives up the GIL in every call. The twin works in slices, and numpy gives up the GIL in
most of its steps, but it still competes for it: hand it no more than a window (2 MiB) a call, so
that other threads get their turn in between.

Matcher. Each of the n wanted blocks is `block` = LEAF * FANOUT**k bytes long; `weak` has 4*n
bytes, `strong` `width`*n (1 to 32 each: the digest of a leaf or a node, cut; the buffer is kept,
not copied). `scan(data, base)` tries, from the left, every window of data that no block found by
this call overlaps; `base` is the offset of data[0] in what is being scanned, and pieces of it must
overlap by block-1 bytes. `offsets()` is an int64 for each wanted block: an offset where it was
found, or -1; equal wanted blocks share one find. `pending` is the number of distinct wanted blocks
not yet found, `hashed` of windows whose strong hash was computed. Threads may share a Matcher:
scans take turns.

Only the strong hash decides a match. Time is linear in the data whatever bytes and hashes are
crafted, by three rules. They depend on the calls alone, so that the result is always the same:

- a weak sum whose wanted blocks are all found is looked for no more (an all-zero file);
- a weak sum that met 64 windows which were none of its blocks, and one more for each GiB scanned,
  is given up (chance makes a quarter of one a GiB);
- windows hashed in vain may be 64, and 8 more for each block's length scanned; beyond that,
  windows go unhashed (chance makes n * block / 2**32: one where 4 GiB are wanted).
"""

from __future__ import annotations

import importlib
import os
from types import ModuleType
from typing import TYPE_CHECKING

__all__ = ["Matcher", "equal_rows", "hash_leaves", "hash_nodes", "name"]

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


if TYPE_CHECKING:
    from pyzsync._kernel import Matcher, equal_rows, hash_leaves, hash_nodes, name
else:
    _kernel = _load(os.environ.get("PYZSYNC_KERNEL", ""))
    name = _kernel.name
    hash_leaves = _kernel.hash_leaves
    hash_nodes = _kernel.hash_nodes
    equal_rows = _kernel.equal_rows
    Matcher = _kernel.Matcher
