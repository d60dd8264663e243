"""The seed's API, corrected: zsync on two files, with MD5 and a blocksize from 1 up.

It stands apart from the rest of the library, which has one grid of leaves and BLAKE3. Whoever has
the patched file calls ``block_checksums`` and ``get_blocks``, whoever has the old one calls
``zsync_delta``, ``get_blueprint`` and ``easy_patch``; ``docs/library.md`` shows the way.
"""

from pyzsync.classic.api import (
    block_checksums,
    easy_patch,
    easy_patch_async,
    get_blocks,
    get_blocks_async,
    verify_patch,
    verify_patch_async,
    zsync_delta,
)
from pyzsync.classic.blueprint import get_blueprint
from pyzsync.classic.errors import (
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
)
from pyzsync.classic.shapes import DEFAULT_BLOCKSIZE

__all__ = [
    "DEFAULT_BLOCKSIZE",
    "BadBlocksize",
    "BadHashlist",
    "BadInstructions",
    "BlueprintIncomplete",
    "ClassicError",
    "FileTooShort",
    "PatchMismatch",
    "UnknownBlock",
    "WrongBlock",
    "WrongBlockSize",
    "block_checksums",
    "easy_patch",
    "easy_patch_async",
    "get_blocks",
    "get_blocks_async",
    "get_blueprint",
    "verify_patch",
    "verify_patch_async",
    "zsync_delta",
]
