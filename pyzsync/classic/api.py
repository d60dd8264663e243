"""The seed's five calls and their twins; each is a thin shell around an operation of steps.

Plain functions take files of ``open``; coroutines take files of aiofiles (or any object whose
``read``, ``seek``, ``write`` and ``truncate`` are awaited). Files are binary. All calls for one
pair of files must be given the same blocksize.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pyzsync.classic.checksums import hash_file
from pyzsync.classic.delta import search_file
from pyzsync.classic.patch import Blocks, patch, read_blocks
from pyzsync.classic.shapes import DEFAULT_BLOCKSIZE, AnyHashes, Delta, Hashes
from pyzsync.classic.steps import ReadableFile, WritableFile, run, run_async
from pyzsync.classic.verify import check_file


async def block_checksums(
    patched: ReadableFile, blocksize: int = DEFAULT_BLOCKSIZE
) -> tuple[int, Hashes]:
    """Hash the patched file's blocks; returns their count and the hashlist.

    ``patched`` is read from where it stands to its end. The hashlist is plain data
    (``pyzsync.classic.shapes`` has its form) and may be sent as it is.
    """
    hasher = await run_async(hash_file(patched, blocksize))
    return hasher.count, hasher.hashes


async def zsync_delta(
    unpatched: ReadableFile, hashes: AnyHashes, blocksize: int = DEFAULT_BLOCKSIZE
) -> Delta:
    """Find the hashlist's blocks at any offset of the old file; returns a new dict.

    ``unpatched`` must stand at its beginning; it is read as far as there is something to find.
    Raises BadHashlist, also where the short last block cannot belong to this blocksize.
    """
    search = await run_async(search_file(unpatched, hashes, blocksize))
    return search.delta()


def get_blocks(
    patched: ReadableFile, missing: Sequence[int], blocksize: int = DEFAULT_BLOCKSIZE
) -> list[tuple[int, bytes]]:
    """Read blocks by number; returns (number, bytes) pairs that do not need the file any more.

    All are held in memory: for a large file ask for a slice of ``missing`` at a time. Raises
    FileTooShort where the file has no such block.
    """
    return run(read_blocks(patched, missing, blocksize))


async def get_blocks_async(
    patched: ReadableFile, missing: Sequence[int], blocksize: int = DEFAULT_BLOCKSIZE
) -> list[tuple[int, bytes]]:
    """``get_blocks`` for a file of aiofiles."""
    return await run_async(read_blocks(patched, missing, blocksize))


def easy_patch(
    unpatched: ReadableFile,
    result: WritableFile,
    instructions: Sequence[Any] | None,
    blocks: Blocks | None,
    blocksize: int = DEFAULT_BLOCKSIZE,
    *,
    verify: AnyHashes | None = None,
) -> None:
    """Make the patched file in ``result``, in one call or in parts.

    The first call gives the instructions: it copies what the old file has and sets the result's
    length. Any call may give blocks, all or some, in any order: (number, bytes) pairs, the bytes in
    any buffer. ``result`` must be another file than ``unpatched``.

    Blocks are checked against the strong hashes that the call knows: with instructions those of the
    missing blocks, with ``verify`` (the hashlist) all, also of what is copied. Raises WrongBlock,
    WrongBlockSize, UnknownBlock, FileTooShort, BadInstructions, BlueprintIncomplete; nothing wrong
    is written, but blocks of the same call may be left unwritten. Whether any are still missing
    only ``verify_patch`` can tell.
    """
    run(patch(unpatched, result, instructions, blocks, blocksize, verify))


async def easy_patch_async(
    unpatched: ReadableFile,
    result: WritableFile,
    instructions: Sequence[Any] | None,
    blocks: Blocks | None,
    blocksize: int = DEFAULT_BLOCKSIZE,
    *,
    verify: AnyHashes | None = None,
) -> None:
    """``easy_patch`` for files of aiofiles."""
    await run_async(patch(unpatched, result, instructions, blocks, blocksize, verify))


def verify_patch(
    result: ReadableFile, hashes: AnyHashes, blocksize: int = DEFAULT_BLOCKSIZE
) -> None:
    """Check the whole result; PatchMismatch names the blocks to fetch again."""
    run(check_file(result, hashes, blocksize))


async def verify_patch_async(
    result: ReadableFile, hashes: AnyHashes, blocksize: int = DEFAULT_BLOCKSIZE
) -> None:
    """``verify_patch`` for a file of aiofiles."""
    await run_async(check_file(result, hashes, blocksize))
