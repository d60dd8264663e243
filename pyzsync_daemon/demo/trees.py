"""Compare two directory trees without trusting anything the daemons say of them."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from protocol.paths import RESERVED
from pyzsync_daemon.errors import Differs

__all__ = ["differ", "measure", "walk"]

_PIECE: Final = 1024 * 1024  # bytes read at a time of two files that are compared


def walk(root: Path, below: str = "") -> Iterator[str]:
    """Every path below ``root``, relative, parents first, in order; without the reserved name."""
    for name in sorted(entry.name for entry in (root / below).iterdir()):
        path = f"{below}/{name}" if below else name
        if path == RESERVED:
            continue
        yield path
        if stat.S_ISDIR(os.lstat(root / path).st_mode):
            yield from walk(root, path)


def measure(root: Path) -> tuple[int, int]:
    """(number of regular files, their bytes)."""
    found = [os.lstat(root / path) for path in walk(root)]
    sizes = [item.st_size for item in found if stat.S_ISREG(item.st_mode)]
    return len(sizes), sum(sizes)


def differ(left: Path, right: Path, suspect: str = "") -> Differs | None:
    """The first difference in names, kinds, modes, link targets or bytes; None if there is none.

    ``suspect`` is looked at first: while it still differs, nothing else needs to be read.
    """
    try:
        if suspect and (what := _entry(left, right, suspect)):
            return Differs(str(left), str(right), suspect, what)
        here, there = set(walk(left)), set(walk(right))
        for path in sorted(here ^ there):
            missing = right if path in here else left
            return Differs(str(left), str(right), path, f"not in {missing}")
        for path in sorted(here):
            if what := _entry(left, right, path):
                return Differs(str(left), str(right), path, what)
    except (FileNotFoundError, NotADirectoryError) as error:
        path = os.path.relpath(error.filename, left)
        return Differs(str(left), str(right), path, "it changes while it is compared")
    return None


def _entry(left: Path, right: Path, path: str) -> str:
    """What differs between the two entries at ``path``; empty if nothing does."""
    entries = [_status(root / path) for root in (left, right)]
    here, there = entries
    if here is None or there is None:
        return "" if here is there else "it is in one tree only"
    if stat.S_IFMT(here.st_mode) != stat.S_IFMT(there.st_mode):
        return "one kind of entry here, another there"
    if stat.S_ISLNK(here.st_mode):
        same = (left / path).readlink() == (right / path).readlink()
        return "" if same else "the links have different targets"
    if stat.S_IMODE(here.st_mode) & 0o777 != stat.S_IMODE(there.st_mode) & 0o777:
        return f"mode {stat.S_IMODE(here.st_mode):o} and {stat.S_IMODE(there.st_mode):o}"
    if not stat.S_ISREG(here.st_mode):
        return ""
    if here.st_size != there.st_size:
        return f"{here.st_size} and {there.st_size} bytes"
    return _bytes(left / path, right / path)


def _status(path: Path) -> os.stat_result | None:
    try:
        return os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None


def _bytes(left: Path, right: Path) -> str:
    offset = 0
    with left.open("rb") as here, right.open("rb") as there:
        while True:
            pieces = here.read(_PIECE), there.read(_PIECE)
            if pieces[0] != pieces[1]:
                pairs = zip(*pieces, strict=False)
                same = next((i for i, (a, b) in enumerate(pairs) if a != b), min(map(len, pieces)))
                return f"the bytes at {offset + same}"
            if not pieces[0]:
                return ""
            offset += len(pieces[0])
