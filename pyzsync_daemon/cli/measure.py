"""``pyzsync hashlist`` and ``pyzsync blueprint``: the algorithm on local files, timed."""

from __future__ import annotations

import json
import os
import stat
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from pyzsync import grid, kernel
from pyzsync.blueprint import Blueprint
from pyzsync.match import compare_same_offset, slide
from pyzsync.roll import roll
from pyzsync.target import Target
from pyzsync.tree import HashTree, hash_stream
from pyzsync_daemon.errors import NotAFile
from pyzsync_daemon.units import format_bytes, format_seconds

__all__ = ["Hashed", "Plan", "Step", "hash_file", "plan", "show_blueprint", "show_hashlist"]


@dataclass(frozen=True, slots=True)
class Hashed:
    """What ``hashlist`` tells; the names are the JSON keys."""

    version: str
    length: int
    leaf_size: int
    leaves: int
    seconds: float
    kernel: str


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the search: bytes found, bytes still missing after it, and its time."""

    name: str
    found_bytes: int
    missing_bytes: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Plan:
    """What ``blueprint`` tells; the names are the JSON keys. ``seconds`` is the steps' time."""

    length: int
    old_length: int
    reused_bytes: int
    missing_bytes: int
    leaf_size: int
    missing_leaves: int
    seconds: float
    hash_seconds: float
    steps: tuple[Step, ...]
    kernel: str


def show_hashlist(path: Path, *, as_json: bool) -> None:
    """Print what ``hash_file`` finds."""
    tree, seconds = hash_file(path)
    leaves = grid.node_count(tree.length, 0)
    hashed = Hashed(tree.version.hex(), tree.length, grid.LEAF, leaves, seconds, kernel.name)
    if as_json:
        print(json.dumps(asdict(hashed)))
        return
    print(f"version  {hashed.version}")
    print(f"length   {hashed.length} ({format_bytes(hashed.length)})")
    print(f"leaves   {hashed.leaves} of {hashed.leaf_size} bytes")
    print(f"time     {format_seconds(seconds)}{_speed(tree.length, seconds)}, kernel {kernel.name}")


def show_blueprint(old: Path, new: Path, *, as_json: bool) -> None:
    """Print what ``plan`` finds."""
    found = plan(old, new)
    if as_json:
        print(json.dumps(asdict(found)))
        return
    print(f"{'step':<8} {'found':>10} {'missing':>10} {'time':>10}")
    for step in found.steps:
        amounts = f"{format_bytes(step.found_bytes):>10} {format_bytes(step.missing_bytes):>10}"
        print(f"{step.name:<8} {amounts} {format_seconds(step.seconds):>10}")
    print(
        f"\n{format_bytes(found.reused_bytes)} of {format_bytes(found.length)} are in {old.name}; "
        f"{format_bytes(found.missing_bytes)} ({found.missing_leaves} leaves) must be fetched.\n"
        f"Searched in {format_seconds(found.seconds)}{_speed(found.old_length, found.seconds)}, "
        f"after {format_seconds(found.hash_seconds)} of hashing both; kernel {found.kernel}."
    )


def hash_file(path: Path) -> tuple[HashTree, float]:
    """The hash tree of a regular file, and the seconds it took."""
    started = time.perf_counter()
    with open(path, "rb", buffering=0, opener=_without_waiting) as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise NotAFile(str(path))
        tree = hash_stream(file.read, status.st_size)
    return tree, time.perf_counter() - started


def _without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK)  # a pipe is to be refused, not waited for


def plan(old: Path, new: Path) -> Plan:
    """Search OLD for NEW as a client does that stores OLD's tree, at the finest kept level."""
    old_tree, old_seconds = hash_file(old)
    new_tree, new_seconds = hash_file(new)
    level = new_tree.base
    target = Target(new_tree.version, new_tree.length)
    blueprint = Blueprint(new_tree.length, level)
    target.add_level(new_tree, level)
    steps = []

    def step(name: str, work: Callable[[], object]) -> None:
        before = blueprint.reused_bytes
        started = time.perf_counter()
        work()
        seconds = time.perf_counter() - started
        found = blueprint.reused_bytes - before
        steps.append(Step(name, found, blueprint.missing_bytes, seconds))

    with old.open("rb", buffering=0) as file:
        descriptor = file.fileno()

        def read(offset: int, size: int) -> bytes:
            return os.pread(descriptor, size, offset)

        step("compare", lambda: compare_same_offset(blueprint, target, old_tree, level))
        step("slide", lambda: slide(blueprint, target, old_tree, 0, level))
        step("roll", lambda: roll(blueprint, target, read, old_tree.length, level))
    return Plan(
        length=new_tree.length,
        old_length=old_tree.length,
        reused_bytes=blueprint.reused_bytes,
        missing_bytes=blueprint.missing_bytes,
        leaf_size=grid.LEAF,
        missing_leaves=sum(_missing(blueprint, new_tree.length)),
        seconds=sum(item.seconds for item in steps),
        hash_seconds=old_seconds + new_seconds,
        steps=tuple(steps),
        kernel=kernel.name,
    )


def _missing(blueprint: Blueprint, length: int) -> list[int]:
    windows = range(grid.window_count(length))
    return [stop - start for window in windows for start, stop in blueprint.missing(window)]


def _speed(count: int, seconds: float) -> str:
    return f" ({format_bytes(round(count / seconds))}/s)" if seconds > 0 and count else ""
