"""Ours, as a process that is measured: prints JSON with the seconds of the work alone.

    python -m benchmarks.work tree FILE             the whole hash tree
    python -m benchmarks.work search OLD NEW        every leaf hash of NEW is here, no tree of OLD
    python -m benchmarks.work stored OLD NEW        the same, with OLD's tree stored
    python -m benchmarks.work worst MEGABYTES       nothing matches, one core

What the others find in a file (NEW's hashes, OLD's stored tree) is made before the clock starts.
"""

from __future__ import annotations

import json
import os
import random
import sys
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from pathlib import Path

from pyzsync import Blueprint, HashTree, Target, compare_same_offset, kernel, roll, slide
from pyzsync.parallel import hash_pieces

CORES = 2


class File:
    """A file that is read in pieces."""

    def __init__(self, path: str) -> None:
        self._fd = os.open(path, os.O_RDONLY)
        self.length = os.fstat(self._fd).st_size

    def read(self, offset: int, size: int) -> bytes:
        """Some of it."""
        return os.pread(self._fd, size, offset)


def tree(executor: Executor, path: str) -> dict[str, float]:
    """Read and hash a file."""
    file = File(path)
    started = time.perf_counter()
    hash_pieces(file.read, file.length, executor)
    return {"work_seconds": time.perf_counter() - started, "length": file.length}


def search(executor: Executor, old_path: str, new_path: str) -> dict[str, float]:
    """Hash OLD, as a client does that has no tree of it, then search as with a stored one."""
    old, target, blueprint = _begin(executor, old_path, new_path)
    started = time.perf_counter()
    own = hash_pieces(old.read, old.length, executor)
    return _searched(executor, old, own, target, blueprint, started)


def stored(executor: Executor, old_path: str, new_path: str) -> dict[str, float]:
    """Compare with OLD's tree, slide its sums, roll over what is left."""
    old, target, blueprint = _begin(executor, old_path, new_path)
    own = hash_pieces(old.read, old.length, executor)
    return _searched(executor, old, own, target, blueprint, time.perf_counter())


def _searched(
    executor: Executor,
    old: File,
    own: HashTree,
    target: Target,
    blueprint: Blueprint,
    started: float,
) -> dict[str, float]:
    level = target.base
    compare_same_offset(blueprint, target, own, level)
    slide(blueprint, target, own, 0, level)
    roll(blueprint, target, old.read, old.length, level, executor)
    return _found(blueprint, started)


def worst(_executor: Executor, megabytes: str) -> dict[str, float]:
    """Scan random bytes for the leaves of other random bytes, of the same length."""
    size = int(megabytes) * 1_000_000
    new, old = random.Random(1).randbytes(size), random.Random(2).randbytes(size)
    own = hash_pieces(lambda at, count: new[at : at + count], size)
    target, blueprint = _target(own), Blueprint(size)
    started = time.perf_counter()
    roll(blueprint, target, lambda at, count: old[at : at + count], size, target.base)
    return {**_found(blueprint, started), "length": size}


def _begin(executor: Executor, old_path: str, new_path: str) -> tuple[File, Target, Blueprint]:
    new = File(new_path)
    target = _target(hash_pieces(new.read, new.length, executor))
    return File(old_path), target, Blueprint(new.length)


def _target(new: HashTree) -> Target:
    target = Target(new.version, new.length)
    target.add_level(new, target.base)
    return target


def _found(blueprint: Blueprint, started: float) -> dict[str, float]:
    seconds = time.perf_counter() - started
    return {"work_seconds": seconds, "missing_bytes": blueprint.missing_bytes}


WORK: Mapping[str, Callable[..., dict[str, float]]] = {
    "tree": tree,
    "search": search,
    "stored": stored,
    "worst": worst,
}


def main() -> None:
    """The command line."""
    name, *arguments = sys.argv[1:]
    with ThreadPoolExecutor(CORES) as executor:
        found = WORK[name](executor, *arguments)
    print(json.dumps(found))
    print(f"{Path(arguments[0]).name}: {name}, kernel {kernel.name}", file=sys.stderr)


if __name__ == "__main__":
    main()
