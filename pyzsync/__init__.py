"""The algorithm: hash trees, finding old bytes, blueprint and patch. No I/O of its own.

    tree = hash_stream(file.read, length)               # the side that has the new file
    target = Target(tree.version, tree.length)          # the other side, as hashlists arrive:
    target.add(level, window, runs, hashes)
    blueprint = Blueprint(target.length)
    compare_same_offset(blueprint, target, old_tree, level)     # cheapest first
    slide(blueprint, target, old_tree, 0, level)
    roll(blueprint, target, read_old, old_length, level)
    patch = Patch(target, blueprint, read_old, read, write)     # copy, put, check, finish

    steps = find_steps(old_tree, tree, read_leaves, ...)        # or a delta, from the hashes alone
    replay = Replay(steps, length, copy, read_old, read, write)     # feed(literals), finish

``pyzsync.classic`` is the seed's API.
"""

from pyzsync.blueprint import Blueprint, Copy
from pyzsync.classic import (
    DEFAULT_BLOCKSIZE,
    BadBlocksize,
    BadHashlist,
    BadInstructions,
    BlueprintIncomplete,
    ClassicError,
    FileTooShort,
    PatchMismatch,
    UnknownBlock,
    WrongBlock,
    WrongBlockSize,
    block_checksums,
    easy_patch,
    easy_patch_async,
    get_blocks,
    get_blocks_async,
    get_blueprint,
    verify_patch,
    verify_patch_async,
    zsync_delta,
)
from pyzsync.delta import find_steps, literals
from pyzsync.errors import (
    BadDelta,
    MissingBlocks,
    PyzsyncError,
    ShortRead,
    TreeFormatError,
    VersionMismatch,
)
from pyzsync.hashes import Hashes, WindowHashes, hash_window
from pyzsync.match import compare_same_offset, slide
from pyzsync.pack import open_tree, write_tree
from pyzsync.patch import Patch
from pyzsync.replay import Replay
from pyzsync.roll import roll
from pyzsync.runs import Runs
from pyzsync.steps import Steps, decode_steps, encode_steps
from pyzsync.target import Target
from pyzsync.tree import (
    EMPTY_VERSION,
    HashTree,
    TreeBuilder,
    build_tree,
    hash_stream,
    matching_leaves,
    version_of,
    version_of_bytes,
)

__all__ = [
    "DEFAULT_BLOCKSIZE",
    "EMPTY_VERSION",
    "BadBlocksize",
    "BadDelta",
    "BadHashlist",
    "BadInstructions",
    "Blueprint",
    "BlueprintIncomplete",
    "ClassicError",
    "Copy",
    "FileTooShort",
    "HashTree",
    "Hashes",
    "MissingBlocks",
    "Patch",
    "PatchMismatch",
    "PyzsyncError",
    "Replay",
    "Runs",
    "ShortRead",
    "Steps",
    "Target",
    "TreeBuilder",
    "TreeFormatError",
    "UnknownBlock",
    "VersionMismatch",
    "WindowHashes",
    "WrongBlock",
    "WrongBlockSize",
    "block_checksums",
    "build_tree",
    "compare_same_offset",
    "decode_steps",
    "easy_patch",
    "easy_patch_async",
    "encode_steps",
    "find_steps",
    "get_blocks",
    "get_blocks_async",
    "get_blueprint",
    "hash_stream",
    "hash_window",
    "literals",
    "matching_leaves",
    "open_tree",
    "roll",
    "slide",
    "verify_patch",
    "verify_patch_async",
    "version_of",
    "version_of_bytes",
    "write_tree",
    "zsync_delta",
]
