"""Kinds of change: what is prepared before the clock starts, and the writes that it times."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from pyzsync import HashTree, hash_stream
from pyzsync_daemon.loadtest.watch import ABSENT

SPOTS: Final = 10  # places of an in-place edit
SMALL_BYTES: Final = 2048  # of one of many small files
BURST_WRITES: Final = 100
BURST_S: Final = 0.01  # between two writes of a burst


@dataclass(frozen=True, slots=True)
class Edit:
    """One path: its bytes before (None: there was none) and after (None: it has gone)."""

    path: str
    old: bytes | None
    new: bytes | None
    tree: HashTree | None = None  # of the new bytes


@dataclass(frozen=True, slots=True)
class Change:
    """``write`` does it on the hub's disk and returns the moment before its last write, in seconds
    of ``time.monotonic``. ``expected`` is what clients have at the end."""

    kind: str
    edits: tuple[Edit, ...]
    write: Callable[[], float] = field(repr=False)

    @property
    def expected(self) -> dict[str, bytes]:
        """The version that each path has afterwards."""
        return {
            edit.path: ABSENT if edit.tree is None else edit.tree.version for edit in self.edits
        }


class Tree:
    """The hub's directory, ``files`` of ``size`` random bytes at first; ``spare`` is a directory on
    the same file system, outside of what is published."""

    def __init__(self, root: Path, spare: Path, files: int, size: int, seed: int = 0) -> None:
        self._root = root
        self._spare = spare
        self._random = random.Random(seed)  # noqa: S311 - content, drawn again alike
        self._names = [f"file-{number:04}.bin" for number in range(files)]
        self._made = 0
        for name in self._names:
            (root / name).write_bytes(self._random.randbytes(size))

    def prepare(self, kind: str, size: int) -> Change:
        """The next change of a kind, of about ``size`` bytes."""
        return KINDS[kind](self, size)

    def whole(self) -> tuple[Edit, ...]:
        """Everything that is published now, as if it were new."""
        files = sorted(path for path in self._root.rglob("*") if path.is_file())
        names = [(path, path.relative_to(self._root).as_posix()) for path in files]
        return tuple(
            _edit(name, None, path.read_bytes())
            for path, name in names
            if not name.startswith(".pyzsync")
        )

    # --- kinds ------------------------------------------------------------------------------------

    def append(self, size: int) -> Change:
        """Bytes at the end of a file."""
        name, old = self._next()
        more = self._random.randbytes(size)

        def write() -> float:
            with (self._root / name).open("ab") as file:
                at = time.monotonic()
                file.write(more)
            return at

        return Change("append", (_edit(name, old, old + more),), write)

    def edit(self, size: int) -> Change:
        """Bytes in ten places of a file, which keeps its length."""
        name, old = self._next()
        new = bytearray(old)
        piece = min(max(1, size // SPOTS), len(old))
        spots: list[tuple[int, bytes]] = []
        for spot in range(min(SPOTS, size)):
            at = self._random.randrange(max(1, len(old) // SPOTS - piece + 1))
            at = min(at + spot * (len(old) // SPOTS), len(old) - piece)
            spots.append((at, self._random.randbytes(piece)))
            new[at : at + piece] = spots[-1][1]

        def write() -> float:
            fd = os.open(self._root / name, os.O_WRONLY)
            try:
                at = time.monotonic()
                for offset, data in spots:
                    os.pwrite(fd, data, offset)
            finally:
                os.close(fd)
            return at

        return Change("edit", (_edit(name, old, bytes(new)),), write)

    def insert(self, size: int) -> Change:
        """Bytes at the front of a file: everything else moves."""
        name, old = self._next()
        return self._replaced("insert", name, old, self._random.randbytes(size) + old)

    def new(self, size: int) -> Change:
        """A file that was not there."""
        return self._replaced("new", self._fresh("new", ".bin"), None, self._random.randbytes(size))

    def rename(self, size: int) -> Change:
        """A file under another name."""
        name, old = self._next()
        other = self._fresh("renamed", ".bin")
        self._names[self._names.index(name)] = other

        def write() -> float:
            at = time.monotonic()
            (self._root / name).rename(self._root / other)
            return at

        return Change("rename", (Edit(name, old, None), _edit(other, None, old)), write)

    def replace(self, size: int) -> Change:
        """All bytes of a file."""
        name, old = self._next()
        return self._replaced("replace", name, old, self._random.randbytes(len(old)))

    def small(self, size: int) -> Change:
        """Many small files at once, together of ``size`` bytes."""
        folder = self._fresh("small", "")
        count = max(1, size // SMALL_BYTES)
        data = {
            f"{folder}/{number:05}.txt": self._random.randbytes(SMALL_BYTES)
            for number in range(count)
        }

        def write() -> float:
            (self._root / folder).mkdir()
            at = time.monotonic()
            for path, each in data.items():
                at = time.monotonic()
                (self._root / path).write_bytes(each)
            return at

        return Change("small", tuple(_edit(path, None, each) for path, each in data.items()), write)

    def burst(self, size: int) -> Change:
        """A file that is rewritten a hundred times a second, for a second."""
        name, old = self._next()
        size = min(size, len(old))
        heads = [self._random.randbytes(size) for _ in range(BURST_WRITES)]

        def write() -> float:
            fd = os.open(self._root / name, os.O_WRONLY)
            try:
                at = begin = time.monotonic()
                for number, head in enumerate(heads):
                    time.sleep(max(0.0, begin + number * BURST_S - time.monotonic()))
                    at = time.monotonic()
                    os.pwrite(fd, head, 0)
            finally:
                os.close(fd)
            return at

        return Change("burst", (_edit(name, old, heads[-1] + old[size:]),), write)

    # --- inside -----------------------------------------------------------------------------------

    def _replaced(self, kind: str, name: str, old: bytes | None, new: bytes) -> Change:
        """One rename puts all of it in place, so nobody sees a half."""
        spare = self._spare / "spare"
        spare.write_bytes(new)

        def write() -> float:
            at = time.monotonic()
            spare.replace(self._root / name)
            return at

        return Change(kind, (_edit(name, old, new),), write)

    def _next(self) -> tuple[str, bytes]:
        """The file whose turn it is, and its bytes."""
        name = self._names[self._made % len(self._names)]
        self._made += 1
        return name, (self._root / name).read_bytes()

    def _fresh(self, stem: str, suffix: str) -> str:
        self._made += 1
        return f"{stem}-{self._made:04}{suffix}"


KINDS: Final[Mapping[str, Callable[[Tree, int], Change]]] = {
    "append": Tree.append,
    "edit": Tree.edit,
    "insert": Tree.insert,
    "new": Tree.new,
    "rename": Tree.rename,
    "replace": Tree.replace,
    "small": Tree.small,
    "burst": Tree.burst,
}


def tree_of(data: bytes) -> HashTree:
    """The hash tree of some bytes."""
    view = memoryview(data)
    at = 0

    def read(size: int) -> bytes:
        nonlocal at
        at += size
        return bytes(view[at - size : at])

    return hash_stream(read, len(data))


def _edit(path: str, old: bytes | None, new: bytes) -> Edit:
    return Edit(path, old, new, tree_of(new))
