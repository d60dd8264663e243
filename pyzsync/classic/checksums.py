"""The hashlist of a patched file: a weak and a strong hash of each of its blocks."""

from __future__ import annotations

import hashlib

from pyzsync.classic.rolling import weak_sums
from pyzsync.classic.shapes import Entry, Hashes, check_blocksize
from pyzsync.classic.steps import CHUNK, Call, ReadableFile, Steps
from pyzsync.weak import weak_sum


def strong_hash(block: bytes | memoryview) -> bytes:
    """MD5, as in the seed: it finds equal blocks, it does not resist forgers."""
    return hashlib.md5(block, usedforsecurity=False).digest()


class BlockHasher:
    """Hashes a file that is fed in pieces of any size.

    ``count`` blocks are hashed, ``length`` bytes fed; ``hashes`` is complete after ``finish``.
    """

    def __init__(self, blocksize: int) -> None:
        self._blocksize = check_blocksize(blocksize)
        self._rest = bytearray()
        self.count = 0
        self.length = 0
        self.hashes: Hashes = {}

    def feed(self, data: bytes) -> None:
        """Take the next bytes of the file."""
        self.length += len(data)
        self._rest += data
        whole = len(self._rest) - len(self._rest) % self._blocksize
        if not whole:
            return
        blocks = memoryview(bytes(self._rest[:whole]))
        del self._rest[:whole]
        for at, weak in enumerate(weak_sums(blocks, self._blocksize).tolist()):
            start = at * self._blocksize
            self._add(weak, blocks[start : start + self._blocksize], None)

    def finish(self) -> tuple[int, Hashes]:
        """Hash what is left as a short last block; returns the block count and the hashlist."""
        if self._rest:
            last = bytes(self._rest)
            self._rest.clear()
            self._add(weak_sum(last), last, len(last))
        return self.count, self.hashes

    def _add(self, weak: int, block: bytes | memoryview, size: int | None) -> None:
        entry = Entry(weak, self.count, strong_hash(block), None, size)
        self.hashes.setdefault(weak, []).append(entry.pack())
        self.count += 1


def hash_file(file: ReadableFile, blocksize: int) -> Steps[BlockHasher]:
    """Read ``file`` from where it stands to its end; returns the finished hasher."""
    hasher = BlockHasher(blocksize)
    while data := (yield Call(file.read, CHUNK)):
        hasher.feed(data)
    hasher.finish()
    return hasher
