"""What the replicas of one worker have in common: the base, and every content that was verified.

Sharing is by equality, never by trust: bytes that a client received are compared with the ones
that another client received before, and only if they are equal is one of the two copies dropped.
"""

from __future__ import annotations

import mmap
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from weakref import WeakValueDictionary

from protocol.messages import Message
from pyzsync import EMPTY_VERSION, HashTree, hash_stream
from pyzsync_daemon.loadtest.segments import Segments
from pyzsync_daemon.transport import decode

POOL_BYTES = 256 * 2**20  # of received pieces, and of deltas, that are kept for the next client
FRAMES = 512  # of at most 64 KiB, kept with what they say


@dataclass(frozen=True, slots=True, weakref_slot=True, eq=False)
class Content:
    """A verified file: its version, its bytes, and (of larger ones) its tree."""

    version: bytes
    bytes: Segments
    tree: HashTree | None = None


@dataclass(frozen=True, slots=True)
class Applied:
    """What a delta made of an old content: ``data`` are the delta's parts as they were received."""

    old: Content
    data: tuple[bytes, ...]
    new: Content
    fetched: int


class Shared:
    """Contents by version, received pieces, and what deltas made. One thread uses it.

    A content is here for as long as a replica (or a delta that is kept) has it.
    """

    def __init__(self) -> None:
        self.deltas = 0  # how often one was worked out, not found here
        self._contents: WeakValueDictionary[bytes, Content] = WeakValueDictionary()
        self._pool: OrderedDict[tuple[bytes, int, int], bytes] = OrderedDict()
        self._pool_bytes = 0
        self._applied: OrderedDict[tuple[bytes, bytes], Applied] = OrderedDict()
        self._applied_bytes = 0
        self._frames: OrderedDict[tuple[int, bytes], tuple[bytes, tuple[Message, ...]]] = (
            OrderedDict()
        )

    def load(self, path: Path) -> Content:
        """A file of the base: mapped, so that all workers share its pages; it never changes."""
        size = path.stat().st_size
        if not size:
            return Content(EMPTY_VERSION, Segments(0))
        with path.open("rb") as file:
            tree = hash_stream(file.read, size)
            mapped = mmap.mmap(file.fileno(), size, access=mmap.ACCESS_READ)
        return self.keep(tree.version, Segments.of(memoryview(mapped)), tree)

    def decode(self, frame: bytes | str) -> tuple[Message, ...]:
        """What a frame says: what an equal one said that another client was sent before."""
        if isinstance(frame, str):
            return decode(frame)
        key = (len(frame), frame[:128])  # versions and part: equal ones are nearly always equal
        known = self._frames.get(key)
        if known is not None and known[0] == frame:
            return known[1]
        messages = decode(frame)
        self._frames[key] = (frame, messages)
        if len(self._frames) > FRAMES:
            self._frames.popitem(last=False)
        return messages

    def piece(self, version: bytes, offset: int, data: bytes) -> bytes:
        """``data``, or the equal bytes that another client was sent for the same place."""
        key = (version, offset, len(data))
        known = self._pool.get(key)
        if known is not None and known == data:
            return known
        self._pool[key] = data
        self._pool_bytes += len(data) - (len(known) if known is not None else 0)
        while self._pool_bytes > POOL_BYTES:
            self._pool_bytes -= len(self._pool.popitem(last=False)[1])
        return data

    def keep(self, version: bytes, made: Segments, tree: HashTree | None = None) -> Content:
        """A verified content: the one that is here already, if its bytes are the same."""
        known = self._contents.get(version)
        if known is not None and known.bytes.equals(made):
            return known
        content = self._contents[version] = Content(version, made, tree)
        return content

    def applied(self, old: Content, version: bytes, data: tuple[bytes, ...]) -> Applied | None:
        """What another client's equal delta made of the very same old content."""
        known = self._applied.get((old.version, version))
        same = known is not None and known.old is old and known.data == data
        return known if same else None

    def keep_applied(self, applied: Applied) -> None:
        """Remember what a delta made."""
        self.deltas += 1
        key = (applied.old.version, applied.new.version)
        before = self._applied.pop(key, None)
        self._applied[key] = applied
        self._applied_bytes += _size(applied) - (_size(before) if before is not None else 0)
        while self._applied_bytes > POOL_BYTES:
            self._applied_bytes -= _size(self._applied.popitem(last=False)[1])


def _size(applied: Applied) -> int:
    return 512 + sum(map(len, applied.data))  # 512: the values and the table's slot
