"""What the demo publishes, and what it does to it: the standard library's own sources."""

from __future__ import annotations

import os
import shutil
import sysconfig
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

__all__ = ["BUNDLE", "ROUNDS", "Round", "fill"]

BUNDLE: Final = "bundle.txt"
"""One big file beside the many small ones: the sources one after the other."""

_TREE_BYTES: Final = 16_000_000  # enough to tell seconds from milliseconds, soon copied
_BUNDLE_BYTES: Final = 8_000_000
_SKIPPED: Final = frozenset({"site-packages", "dist-packages", "test", "tests", "__pycache__"})
_TOUCHED: Final = 40  # files that an editing round works on
_LINE: Final = b"# this line was put here by the demo\n"


@dataclass(frozen=True, slots=True)
class Round:
    """``work`` changes the tree and returns the sizes of the files that a plain copy would send."""

    name: str
    work: Callable[[Path], int]


def fill(root: Path) -> int:
    """Copy sources into ``root``; returns the bytes written."""
    source = Path(sysconfig.get_path("stdlib"))
    written = 0
    with (root / BUNDLE).open("xb") as bundle:
        for path in _sources(source):
            data = path.read_bytes()
            if written + len(data) > _TREE_BYTES:
                break
            target = root / path.relative_to(source)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)
            shutil.copystat(path, target)
            target.chmod(0o644)
            written += len(data)
            if bundle.tell() < _BUNDLE_BYTES:
                bundle.write(data)
        return written + bundle.tell()


def _sources(top: Path) -> Iterator[Path]:
    for folder, folders, names in os.walk(top):
        folders[:] = sorted(set(folders) - _SKIPPED)
        for name in sorted(names):
            if name.endswith(".py"):
                yield Path(folder, name)


def _largest(root: Path) -> list[Path]:
    """The largest files in order, the bundle first."""
    found = [path for path in root.rglob("*.py") if path.is_file()]
    found.sort(key=lambda path: (-path.stat().st_size, path))
    return [root / BUNDLE, *found[:_TOUCHED]]


def _edit(root: Path) -> int:
    total = 0
    for path in _largest(root):
        size = path.stat().st_size
        with path.open("r+b") as file:
            file.seek(size // 2)
            file.write(_LINE)
        total += size
    return total


def _insert(root: Path) -> int:
    total = 0
    for path in _largest(root):
        with path.open("r+b") as file:  # not emptied first: a file is never seen without its bytes
            data = _LINE + file.read()
            file.seek(0)
            file.write(data)
        total += len(data)
    return total


def _rename(root: Path) -> int:
    folder = max((path for path in root.iterdir() if path.is_dir()), key=_weight)
    total = _weight(folder) + (root / BUNDLE).stat().st_size
    folder.rename(root / f"{folder.name}-renamed")
    (root / BUNDLE).rename(root / f"renamed-{BUNDLE}")
    return total


def _weight(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*.py"))


def _delete(root: Path) -> int:
    folders = sorted((path for path in root.iterdir() if path.is_dir()), key=_weight)
    shutil.rmtree(folders[len(folders) // 2])
    for path in sorted(root.glob("*.py"))[:10]:
        path.unlink()
    return 0


ROUNDS: Final = (
    Round("edit a line in each", _edit),
    Round("insert a line in each", _insert),
    Round("rename", _rename),
    Round("delete", _delete),
)
