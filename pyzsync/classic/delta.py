"""Which blocks of the patched file the old file has, and where."""

from __future__ import annotations

from pyzsync.classic.search import Finder
from pyzsync.classic.shapes import AnyHashes, Delta, Entry, check_blocksize, checked_entries
from pyzsync.classic.steps import CHUNK, Call, ReadableFile, Steps


class BlockSearch:
    """Searches an old file, fed in pieces of any size, for the blocks of a hashlist.

    The hashlist is copied, never changed. Memory: the hashes, a chunk and a block of the old file.
    """

    def __init__(self, hashes: AnyHashes, blocksize: int) -> None:
        self._blocksize = check_blocksize(blocksize)
        self._entries = list(checked_entries(hashes, blocksize))
        wanted: dict[int, dict[bytes, int]] = {}
        for entry in self._entries:
            wanted.setdefault(entry.size or blocksize, {})[entry.strong] = entry.weak
        self._finders = {size: Finder(size, blocks) for size, blocks in wanted.items()}
        self._data = bytearray()
        self._base = 0

    @property
    def pending(self) -> bool:
        """Whether a block is still looked for; if not, the rest need not be read."""
        return any(finder.pending for finder in self._finders.values())

    @property
    def hashed(self) -> int:
        """How many strong hashes the search has computed."""
        return sum(finder.hashed for finder in self._finders.values())

    def feed(self, data: bytes) -> None:
        """Take the next bytes of the old file."""
        self._data += data
        active = [finder for finder in self._finders.values() if finder.pending]
        for finder in active:
            finder.advance(self._data, self._base)
        done = min((finder.at for finder in active), default=self._base + len(self._data))
        del self._data[: done - self._base]  # moves the array's start, not its bytes
        self._base = done

    def delta(self) -> Delta:
        """The hashlist's entries, those that were found with their offset in the old file."""
        delta: Delta = {}
        for entry in self._entries:
            delta.setdefault(entry.weak, []).append(self._located(entry).pack())
        return delta

    def _located(self, entry: Entry) -> Entry:
        place = self._finders[entry.size or self._blocksize].places[entry.strong]
        offset = None if place < 0 else place
        return Entry(entry.weak, entry.number, entry.strong, offset, entry.size)


def search_file(file: ReadableFile, hashes: AnyHashes, blocksize: int) -> Steps[BlockSearch]:
    """Read ``file`` from where it stands, as far as there is something to find."""
    search = BlockSearch(hashes, blocksize)
    while search.pending and (data := (yield Call(file.read, CHUNK))):
        search.feed(data)
    return search
