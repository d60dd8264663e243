"""Trees on disk: reading them whole, and editing them so that every edit shows."""

from __future__ import annotations

import itertools
import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

RESERVED = ".pyzsync"
CONFLICTS = f"{RESERVED}/conflicts"
_moments = itertools.count(1_600_000_000_000_000_000, 1_234_567_891)


def moment() -> int:
    """An mtime (ns) that no other edit has: an edit that leaves no trace is not what is tested."""
    return next(_moments)


def walk(root: Path) -> Iterator[tuple[str, Path]]:
    """All entries beneath a directory, but for what is reserved, parents first."""
    with os.scandir(root) as found:
        entries = sorted(found, key=lambda entry: entry.name)
    for entry in entries:
        if entry.name == RESERVED:
            continue
        yield entry.name, Path(entry.path)
        if entry.is_dir(follow_symlinks=False):
            for below, path in walk(Path(entry.path)):
                yield f"{entry.name}/{below}", path


def tree_of(root: Path) -> dict[str, tuple[object, ...]]:
    """Every entry: kind, mode, mtime, content."""
    found: dict[str, tuple[object, ...]] = {}
    for name, path in walk(root):
        status = path.lstat()
        if stat.S_ISLNK(status.st_mode):
            found[name] = ("symlink", status.st_mtime_ns, str(path.readlink()))
        elif stat.S_ISDIR(status.st_mode):
            found[name] = ("directory", status.st_mode & 0o777, status.st_mtime_ns)
        else:
            found[name] = ("file", status.st_mode & 0o777, status.st_mtime_ns, path.read_bytes())
    return found


def contents(root: Path) -> dict[str, bytes]:
    """Every regular file's bytes by path."""
    return {
        name: path.read_bytes()
        for name, path in walk(root)
        if not path.is_symlink() and path.is_file()
    }


def kept_aside(root: Path) -> dict[str, bytes]:
    """The files in a replica's conflicts directory."""
    folder = root / CONFLICTS
    return contents(folder) if folder.is_dir() else {}


def write(root: Path, path: str, data: bytes, mode: int = 0o644) -> None:
    """Put a file at a path, whatever is in the way of it or of its parents."""
    target = root / path
    clear(target)
    make_parents(root, path)
    target.write_bytes(data)
    target.chmod(mode)
    touch(target)


def make_parents(root: Path, path: str) -> None:
    for parent in reversed(list(Path(path).parents)[:-1]):
        folder = root / parent
        if folder.is_symlink() or not folder.is_dir():
            folder.unlink(missing_ok=True)
            folder.mkdir()


def clear(target: Path) -> None:
    """Remove whatever is at a path."""
    if target.is_dir() and not target.is_symlink():
        shutil.rmtree(target)
    elif target.is_symlink() or target.exists():
        target.unlink()


def copy(source: Path, target: Path) -> None:
    """A second entry like the first, with all that is in it."""
    if source.is_dir() and not source.is_symlink():
        shutil.copytree(source, target, symlinks=True)
    else:
        shutil.copy2(source, target, follow_symlinks=False)


def touch(target: Path) -> None:
    """A new mtime, of the entry itself."""
    now = moment()
    os.utime(target, ns=(now, now), follow_symlinks=False)
