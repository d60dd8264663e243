"""A hash tree as one packed file, read in place.

    magic    8 bytes  b"PYZTREE1"
    length   8        the file's length; this and all numbers are little-endian
    base     2        the finest kept level
    width    2        strong bytes kept of a node
    zero     4
    top      32       full digest of the top node
    check    32       BLAKE3 of all other bytes
    body              levels from base up, each: weak (4 bytes a node), strong (width bytes a node)

Such a file is ours and immutable, so unlike a live file it may be mapped. It says where old bytes
are and which bytes are served, so rot in it is looked for once, when it is opened.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import TYPE_CHECKING

from blake3 import blake3

from pyzsync.errors import TreeFormatError
from pyzsync.grid import KEPT_WIDTH, WINDOW_LEVEL, node_count, top_level
from pyzsync.hashes import Hashes
from pyzsync.tree import HashTree

if TYPE_CHECKING:
    from typing_extensions import Buffer

MAGIC = b"PYZTREE1"
_HEAD = struct.Struct("<8sQHHI32s")
_CHECK = 32
# 88 bytes: a multiple of 4, as is every column (4 and 20 bytes a node), so weak sums stay aligned.
_BODY = _HEAD.size + _CHECK
_PIECE = 1 << 22  # of a column that is read as it is needed


def write_tree(tree: HashTree, write: Callable[[memoryview], object]) -> None:
    """Hand the packed tree to ``write``, piece by piece, without a copy of its columns."""
    columns = [
        column.data.cast("B")
        for level in tree.levels
        for column in (level.weak, level.strong)
        if len(level)
    ]
    pieces = [
        column[at : at + _PIECE] for column in columns for at in range(0, len(column), _PIECE)
    ]
    head = _HEAD.pack(MAGIC, tree.length, tree.base, KEPT_WIDTH, 0, tree.top)
    check = blake3(head)
    for piece in pieces:
        check.update(piece)
        tree.rest()
    write(memoryview(head + check.digest()))
    for piece in pieces:
        write(piece)
        tree.rest()


def packed_size(length: int, base: int) -> int:
    """Bytes of the packed tree of a file of ``length`` bytes."""
    counts = sum(node_count(length, level) for level in _levels(length, base))
    return _BODY + counts * (4 + KEPT_WIDTH)


def open_tree(buffer: Buffer) -> HashTree:
    """Views over a packed tree, which must outlive them; TreeFormatError if it is anything else."""
    data = memoryview(buffer).cast("B")
    if len(data) < _BODY:
        raise TreeFormatError(f"{len(data)} bytes are too few")
    magic, length, base, width, zero, top = _HEAD.unpack_from(data)
    if magic != MAGIC:
        raise TreeFormatError("it does not begin as one")
    if base > WINDOW_LEVEL or width != KEPT_WIDTH or zero:
        raise TreeFormatError(f"its base is {base} and its width {width}")
    if len(data) != packed_size(length, base):
        raise TreeFormatError(f"it has {len(data)} bytes, not {packed_size(length, base)}")
    body = data[_BODY:]
    if blake3(data[: _HEAD.size]).update(body).digest() != data[_HEAD.size : _BODY]:
        raise TreeFormatError("its bytes have changed since it was written")
    levels = []
    for level in _levels(length, base):
        count = node_count(length, level)
        weak, strong, body = body[: 4 * count], body[4 * count : 24 * count], body[24 * count :]
        levels.append(Hashes.from_bytes(weak, strong, width))
    return HashTree(length, base, top, tuple(levels))


def _levels(length: int, base: int) -> range:
    return range(base, max(base, top_level(length)) + 1)
