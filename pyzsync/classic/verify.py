"""Checks a finished file against the hashlist that it was patched to."""

from __future__ import annotations

from pyzsync.classic.checksums import hash_file
from pyzsync.classic.errors import PatchMismatch
from pyzsync.classic.shapes import AnyHashes, check_blocksize, checked_entries
from pyzsync.classic.steps import Call, ReadableFile, Steps


def check_file(file: ReadableFile, hashes: AnyHashes, blocksize: int) -> Steps[None]:
    """Hash ``file`` from its beginning; PatchMismatch if it is not the one of ``hashes``."""
    check_blocksize(blocksize)
    wanted = list(checked_entries(hashes, blocksize))
    expected = sum(entry.size or blocksize for entry in wanted)
    yield Call(file.seek, 0)
    hasher = yield from hash_file(file, blocksize)
    found = {number: strong for listed in hasher.hashes.values() for number, strong, *_ in listed}
    bad = sorted(entry.number for entry in wanted if found.get(entry.number) != entry.strong)
    if bad or hasher.length != expected:
        raise PatchMismatch(tuple(bad), hasher.length, expected)
