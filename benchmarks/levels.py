"""Bytes of a pull, by levels asked for, levels rolled at, and leaves that share a stream.

    python benchmarks/levels.py OLD NEW

Counts what the wire carries of hashes, requests and blocks; the client has OLD's stored tree. An
answer repeats its run set, so that counts twice. docs/design.md has the table for two pairs.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from protocol import runs
from pyzsync import Blueprint, HashTree, Target, compare_same_offset, hash_stream, roll, slide
from pyzsync.grid import LEAF, WINDOW, WINDOW_LEAVES, node_count, strong_width, window_count
from pyzsync.runs import runs_of
from pyzsync_daemon.compression import compress

# (levels asked for, levels rolled at). Every level: 4 children a node; every other: 16.
WAYS = (
    ((5, 4, 3, 2, 1, 0), (2, 1, 0)),
    ((5, 4, 3, 2, 1, 0), (0,)),
    ((4, 2, 0), (2, 0)),
    ((3, 2, 1, 0), (2, 1, 0)),
    ((2, 1, 0), (2, 1, 0)),
    ((2, 0), (2, 0)),
    ((1, 0), (1, 0)),
    ((0,), (0,)),
)
STREAMS = (128, 256, 512, 1024, 2048, 4096, 16384)  # KiB of the file that share a zstd frame
FIXED = 100  # bytes of a query and its answer beside run sets and columns


@dataclass(frozen=True, slots=True)
class File:
    """One of the pair."""

    tree: HashTree
    fd: int

    @classmethod
    def open(cls, path: Path) -> File:
        """Hash it."""
        fd = os.open(path, os.O_RDONLY)
        tree = hash_stream(lambda size: os.read(fd, size), path.stat().st_size)
        return cls(tree, fd)

    def read(self, offset: int, size: int) -> bytes:
        """Some of it."""
        return os.pread(self.fd, size, offset)


@dataclass(frozen=True, slots=True)
class Cost:
    """Bytes, and the seconds of the search."""

    hashes: int
    requests: int
    seconds: float
    blueprint: Blueprint


def pull(old: File, new: File, levels: Iterable[int], rolled: Iterable[int]) -> Cost:
    """Ask for levels in turn, of each what is still missing."""
    target, blueprint = Target(new.tree.version, new.tree.length), Blueprint(new.tree.length)
    entry = 4 + strong_width(new.tree.length)
    hashes = requests = 0
    seconds = 0.0
    for level in levels:
        unmatched = blueprint.unmatched(level)
        for first in range(0, node_count(new.tree.length, level), WINDOW_LEAVES):
            mask = unmatched[first : first + WINDOW_LEAVES]
            nodes = runs_of(mask)
            if nodes:
                wanted = new.tree.hashes(level).take(np.flatnonzero(mask) + first)
                target.add(level, first // WINDOW_LEAVES, nodes, wanted)
                hashes += entry * len(wanted)
                requests += 2 * len(runs.encode(nodes)) + FIXED
        started = time.perf_counter()
        compare_same_offset(blueprint, target, old.tree, level)
        slide(blueprint, target, old.tree, 0, level)
        if level in rolled:
            roll(blueprint, target, old.read, old.tree.length, level)
        seconds += time.perf_counter() - started
    return Cost(hashes, requests, seconds, blueprint)


def blocks(new: File, blueprint: Blueprint, size: int) -> int:
    """The missing leaves, compressed where ``size`` bytes of the file share a stream."""
    length = new.tree.length
    missing = blueprint.source < 0
    total = 0
    for start in range(0, length, size):
        part = missing[start // LEAF : (start + size) // LEAF]
        spans = runs_of(part)
        if spans:
            data = b"".join(
                new.read(start + a * LEAF, min(b * LEAF, length - start) - a * LEAF)
                for a, b in spans
            )
            total += len(compress(data)[1]) + 2 * len(spans) * 2 + FIXED
    return total


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("old", type=Path)
    parser.add_argument("new", type=Path)
    options = parser.parse_args()
    old, new = File.open(options.old), File.open(options.new)
    print(f"{window_count(new.tree.length)} windows, {node_count(new.tree.length, 0)} leaves")
    print("| levels | rolled at | hashes | requests | blocks | all, bytes | search, s |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    best: Cost | None = None
    for levels, rolled in WAYS:
        cost = pull(old, new, levels, rolled)
        best = best or cost
        sets = blocks(new, cost.blueprint, WINDOW)
        cells = [
            " ".join(map(str, levels)),
            " ".join(map(str, rolled)),
            *(f"{each:,}" for each in (cost.hashes, cost.requests, sets)),
            f"{cost.hashes + cost.requests + sets:,}",
            f"{cost.seconds:.1f}",
        ]
        print("| " + " | ".join(cells) + " |", flush=True)
    assert best is not None
    for size in STREAMS:
        print(
            f"{size:>6} KiB share a stream: {blocks(new, best.blueprint, size * 1024):>12,} bytes"
        )
    print(f"the missing leaves: {best.blueprint.missing_bytes:,} bytes", file=sys.stderr)


if __name__ == "__main__":
    main()
