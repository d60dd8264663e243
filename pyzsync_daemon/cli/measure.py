"""``pyzsync hashlist`` and ``pyzsync blueprint``: the algorithm on local files, timed."""

from __future__ import annotations

import json
import os
import stat
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from pyzsync import grid, kernel
from pyzsync.blueprint import Blueprint
from pyzsync.match import compare_same_offset, slide
from pyzsync.parallel import Read, hash_pieces
from pyzsync.roll import roll
from pyzsync.target import Target
from pyzsync.tree import HashTree
from pyzsync_daemon.errors import NotAFile
from pyzsync_daemon.files.trees import TreeStore
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
    """What ``blueprint`` tells; the names are the JSON keys. ``seconds`` is the steps' time.

    ``push_bytes`` travel to a client that holds OLD when NEW is announced, ``pull_bytes`` to one
    whose OLD the hub does not know: both ways, framing included.
    """

    length: int
    old_length: int
    reused_bytes: int
    missing_bytes: int
    leaf_size: int
    missing_leaves: int
    push_bytes: int
    pull_bytes: int
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
    print(f"{'step':<14} {'found':>10} {'missing':>10} {'time':>10} {'speed':>12}")
    for step in found.steps:
        amounts = f"{format_bytes(step.found_bytes):>10} {format_bytes(step.missing_bytes):>10}"
        speed = _speed(found.old_length, step.seconds).strip(" ()") if step.seconds else ""
        print(f"{step.name:<14} {amounts} {format_seconds(step.seconds):>10} {speed:>12}")
    print(
        f"\n{format_bytes(found.reused_bytes)} of {format_bytes(found.length)} are in {old.name}; "
        f"{format_bytes(found.missing_bytes)} ({found.missing_leaves} leaves) must be fetched.\n"
        f"{format_bytes(found.push_bytes)} travel to a client that holds {old.name} when "
        f"{new.name} is announced,\n"
        f"{format_bytes(found.pull_bytes)} to one whose {old.name} is not known.\n"
        f"Searched in {format_seconds(found.seconds)}{_speed(found.old_length, found.seconds)}, "
        f"after {format_seconds(found.hash_seconds)} of hashing both; kernel {found.kernel}."
    )


def hash_file(path: Path) -> tuple[HashTree, float]:
    """The hash tree of a regular file, made on all cores, and the seconds it took."""
    started = time.perf_counter()
    with open(path, "rb", buffering=0, opener=_without_waiting) as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise NotAFile(str(path))
        with _threads() as threads:
            tree = hash_pieces(_reader(file.fileno()), status.st_size, threads)
    return tree, time.perf_counter() - started


def _without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK)  # a pipe is to be refused, not waited for


def plan(old: Path, new: Path) -> Plan:
    """Search OLD for NEW as a client does that stores OLD's tree, at the finest kept level.

    Both trees are stored, in a temporary directory: so they take a few megabytes of memory.
    """
    with tempfile.TemporaryDirectory(prefix="pyzsync-") as folder:
        return _plan(old, new, TreeStore(Path(folder)))


def _plan(old: Path, new: Path, store: TreeStore) -> Plan:
    # It needs much of hub and client, which would make `hashlist` wait for a fifth of a second.
    from pyzsync_daemon.cli.predict import Old, Prediction

    old_tree, old_seconds = _stored(old, store)
    new_tree, new_seconds = _stored(new, store)
    with old.open("rb", buffering=0) as old_file, new.open("rb", buffering=0) as new_file:
        read_old, read_new = _reader(old_file.fileno()), _reader(new_file.fileno())
        with _threads() as threads:
            blueprint, steps = _search(old_tree, new_tree, read_old, threads)
        missing = sum(_missing(blueprint, new_tree.length))
        reused_bytes, missing_bytes = blueprint.reused_bytes, blueprint.missing_bytes
        del blueprint  # 8 bytes a leaf
        old_tree.rest()
        new_tree.rest()
        # Its own blueprint and search: hashes come level by level there.
        predicted = Prediction(new.name, Old(old_tree, read_old), new_tree, read_new)
        return Plan(
            length=new_tree.length,
            old_length=old_tree.length,
            reused_bytes=reused_bytes,
            missing_bytes=missing_bytes,
            leaf_size=grid.LEAF,
            missing_leaves=missing,
            push_bytes=predicted.push(),
            pull_bytes=predicted.pull(),
            seconds=sum(item.seconds for item in steps),
            hash_seconds=old_seconds + new_seconds,
            steps=steps,
            kernel=kernel.name,
        )


def _stored(path: Path, store: TreeStore) -> tuple[HashTree, float]:
    """The tree of a file, mapped from the store, and the seconds that hashing took."""
    tree, seconds = hash_file(path)
    version = store.save(tree)
    del tree  # before the stored one is looked through
    stored = store.load(version)
    if stored is None:
        raise RuntimeError(f"the tree of {path} was lost")
    return stored, seconds


def _search(
    old: HashTree, new: HashTree, read: Read, threads: Executor
) -> tuple[Blueprint, tuple[Step, ...]]:
    """Cheapest first: the whole is here, the stored tree tells, the old bytes are rolled over."""
    target = Target(new.version, new.length)
    blueprint = Blueprint(new.length)
    steps = []

    def step(name: str, *work: Callable[[], object]) -> None:
        before = blueprint.reused_bytes
        started = time.perf_counter()
        for part in work:
            part()
        seconds = time.perf_counter() - started
        found = blueprint.reused_bytes - before
        steps.append(Step(name, found, blueprint.missing_bytes, seconds))

    def whole() -> None:
        if old.version == new.version:
            blueprint.source[:] = np.arange(len(blueprint.source)) * blueprint.unit

    step("same version", whole)
    step(
        "stored tree",
        lambda: target.add_level(new, new.base),
        lambda: compare_same_offset(blueprint, target, old, new.base),
        lambda: slide(blueprint, target, old, 0, new.base),
    )
    step("rolled", lambda: roll(blueprint, target, read, old.length, new.base, threads))
    return blueprint, tuple(steps)


def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(os.cpu_count())


def _reader(descriptor: int) -> Read:
    return lambda offset, size: os.pread(descriptor, size, offset)


def _missing(blueprint: Blueprint, length: int) -> list[int]:
    windows = range(grid.window_count(length))
    return [stop - start for window in windows for start, stop in blueprint.missing(window)]


def _speed(count: int, seconds: float) -> str:
    return f" ({format_bytes(round(count / seconds))}/s)" if seconds > 0 and count else ""
