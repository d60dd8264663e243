"""Two versions of a file: those that are given, or a made one, so that anybody can measure."""

from __future__ import annotations

import io
import random
import sys
import sysconfig
import tarfile
from dataclasses import dataclass
from pathlib import Path

ARCHIVE_BYTES = 64_000_000  # of the made pair
EDITED = 0.02  # share of its files that differ
REPEATS = 8  # times that the standard library is in it, each in other words


@dataclass(frozen=True, slots=True)
class Pair:
    """One file before and after."""

    name: str
    old: Path
    new: Path


def find(given: list[str]) -> list[Pair]:
    """Pairs by ``OLD:NEW``, or by a directory that has NAME/old and NAME/new.

    ValueError if something is neither.
    """
    found = []
    for one in given:
        old, _, new = one.partition(":")
        if new and Path(old).is_file() and Path(new).is_file():
            name = Path(new).parent.name if Path(new).name == "new" else Path(new).name
            found.append(Pair(name, Path(old).resolve(), Path(new).resolve()))
            continue
        inside = sorted(Path(one).resolve().glob("*/new"))
        inside = [path for path in inside if path.with_name("old").is_file()]
        if not inside:
            raise ValueError(f"{one} is neither OLD:NEW nor a directory with NAME/old, NAME/new")
        inside.sort(key=lambda path: path.stat().st_size)
        found += [Pair(path.parent.name, path.with_name("old"), path) for path in inside]
    return found


def make(folder: Path) -> Pair:
    """Two tars of Python's own library, as releases are: all headers differ, some files too."""
    sources = sorted(Path(sysconfig.get_path("stdlib")).glob("*.py"))
    old, new = folder / "old", folder / "new"
    _archive(old, sources, 1_700_000_000, edited=0.0)
    _archive(new, sources, 1_710_000_000, edited=EDITED)
    print("no pair was given: measuring one made of Python's own library", file=sys.stderr)
    return Pair("made", old, new)


def _archive(path: Path, sources: list[Path], mtime: int, edited: float) -> None:
    pick, edits = random.Random(1), random.Random(2)
    written, number = 0, 0
    with tarfile.open(path, "w") as tar:
        while written < ARCHIVE_BYTES:
            source = sources[number % len(sources)]
            data = _reworded(source.read_bytes(), pick)
            if edits.random() < edited:
                at = edits.randrange(len(data) + 1)
                data = data[:at] + b"# one more line in this release\n" + data[at + 40 :]
            info = tarfile.TarInfo(f"library/{number // len(sources)}/{source.name}")
            info.size, info.mtime = len(data), mtime
            tar.addfile(info, io.BytesIO(data))
            written += len(data)
            number += 1


def _reworded(data: bytes, pick: random.Random) -> bytes:
    """The same lines, a tenth of them in the places of others: no copy of another file."""
    lines = data.splitlines(keepends=True)
    for _ in range(len(lines) // 20):
        a, b = pick.randrange(len(lines)), pick.randrange(len(lines))
        lines[a], lines[b] = lines[b], lines[a]
    return b"".join(lines)
