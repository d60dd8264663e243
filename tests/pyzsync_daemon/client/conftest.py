"""A hub in memory and a client's disk in a temporary directory, with the session played by hand."""

import io
import os
from dataclasses import dataclass, field

import pytest

from protocol import runs
from protocol.limits import MAX_PAYLOAD
from protocol.messages import (
    Change,
    Coding,
    Delta,
    Flag,
    Hashlist,
    Kind,
)
from pyzsync import encode_steps, find_steps, hash_stream, literals
from pyzsync.grid import LEAF, WINDOW, WINDOW_LEAVES, strong_width, window_bytes
from pyzsync_daemon.client.effects import (
    Commit,
    Finish,
    Match,
    Plan,
    Prepare,
    Put,
    Reuse,
    State,
)
from pyzsync_daemon.client.workbench import Workbench, WorkbenchSettings
from pyzsync_daemon.compression import zstd

TIME = 1_600_000_000_123_456_789


class Killed(BaseException):
    """Stands for kill -9: nothing may catch it."""


class MemoryHub:
    """Versions in memory. Counts what it is asked for."""

    def __init__(self):
        self.bytes = {}
        self.trees = {}
        self.seq = 0
        self.leaves_sent = 0
        self.nodes_sent = 0
        self.corrupt = set()  # (window, leaf) whose next answer is wrong

    def file(self, path, data, mode=0o644, mtime_ns=TIME, flags=Flag.NONE):
        tree = hash_stream(io.BytesIO(data).read, len(data))
        self.bytes[tree.version], self.trees[tree.version] = bytes(data), tree
        return self._change(path, Kind.FILE, mode, mtime_ns, len(data), tree.version, flags=flags)

    def directory(self, path, mode=0o755, mtime_ns=TIME):
        return self._change(path, Kind.DIRECTORY, mode, mtime_ns)

    def symlink(self, path, target, mtime_ns=TIME):
        return self._change(path, Kind.SYMLINK, 0o777, mtime_ns, target=target)

    def absent(self, path):
        return self._change(path, Kind.ABSENT)

    def _change(self, path, kind, mode=0, mtime_ns=0, size=0, version=b"", **more):
        self.seq += 1
        return Change(self.seq, path, kind, mode, mtime_ns, size, version, **more)

    def hashlist(self, query):
        tree = self.trees[query.version]
        first = query.window * WINDOW_LEAVES
        weak, strong = b"", b""
        width = strong_width(tree.length)
        for start, stop in runs.decode(query.nodes):
            part = tree.hashes(query.level, first + start, stop - start).cut(width)
            weak += part.weak_bytes()
            strong += part.strong_bytes()
            self.nodes_sent += stop - start
        return Hashlist(query, width, weak, strong)

    def delta(self, query, part_size=MAX_PAYLOAD):
        """The parts of a delta, as a hub makes it."""
        new = self.bytes[query.new]

        def read(window, leaves):
            end, at = window_bytes(len(new), window), window * WINDOW
            return b"".join(new[at + a * LEAF : at + min(b * LEAF, end)] for a, b in leaves)

        steps = find_steps(self.trees[query.old], self.trees[query.new], read, 1 << 30, 1 << 30)
        data = encode_steps(steps) + b"".join(literals(steps, read))
        coded = zstd.compress(data)
        pieces = [coded[at : at + part_size] for at in range(0, len(coded), part_size)]
        return [
            Delta(query, part, len(pieces), Coding.ZSTD, len(data), piece)
            for part, piece in enumerate(pieces)
        ]

    def put(self, change, query, gone=b""):
        absent = {leaf for run in runs.decode(gone) for leaf in range(*run)}
        asked = [leaf for run in runs.decode(query.leaves) for leaf in range(*run)]
        data = b"".join(self._leaf(query, leaf) for leaf in asked if leaf not in absent)
        self.leaves_sent += len(asked) - len(absent)
        return Put(change, query, Coding.RAW, len(data), gone, (data,))

    def _leaf(self, query, leaf):
        offset = query.window * WINDOW + leaf * LEAF
        piece = self.bytes[query.version][offset : offset + LEAF]
        if (query.window, leaf) in self.corrupt:
            self.corrupt.discard((query.window, leaf))
            return bytes(len(piece) * [0xEE])
        return piece


@dataclass
class Client:
    """A workbench on ``root``; ``apply`` does what a session would do for some changes."""

    root: object
    hub: MemoryHub
    bench: Workbench
    steps: list = field(default_factory=list)
    hook: object = None

    def step(self, name):
        self.steps.append(name)
        if self.hook is not None:
            self.hook(name)

    def reopen(self, **settings):
        self.bench.close()
        self.hook = None
        self.open(**settings)

    def open(self, **settings):
        self.bench = Workbench(self.root, settings=WorkbenchSettings(**settings), step=self.step)

    def prepare(self, *changes):
        return {o.change.path: o for o in self.bench.prepare(Prepare(changes)).outcomes}

    def fetch(self, change, plan):
        """Follow a plan to the end; the error, if there is one."""
        while True:
            while plan != Plan():
                if plan.hashes:
                    lists = tuple(self.hub.hashlist(query) for query in plan.hashes)
                    planned = self.bench.match(Match(change, lists))
                    plan = planned.plan
                    if planned.error:
                        return planned.error
                    continue
                again = ()
                if plan.reuse:
                    planned = self.bench.reuse(Reuse(change))
                    if planned.error:
                        return planned.error
                    again = planned.plan.blocks
                for query in plan.blocks:
                    planned = self.bench.put(self.hub.put(change, query))
                    if planned.error or planned.whole:
                        return planned.error
                    again += planned.plan.blocks
                plan = Plan(blocks=again)
            planned = self.bench.finish(Finish(change))
            if planned.error or planned.whole:
                return planned.error
            plan = planned.plan

    def stage(self, *changes):
        """Prepare and fetch; the changes that are ready to commit."""
        ready = []
        for outcome in self.prepare(*changes).values():
            assert outcome.error == ""
            if outcome.state is State.PULL:
                assert self.fetch(outcome.change, outcome.plan) == ""
            if outcome.state in (State.PULL, State.READY):
                ready.append(outcome.change)
        return tuple(ready)

    def commit(self, *changes, published=frozenset()):
        return self.bench.commit(Commit(changes, frozenset(published)))

    def apply(self, *changes, published=frozenset()):
        committed = self.commit(*self.stage(*changes), published=published)
        assert committed.failed == ()
        assert committed.again == ()
        return {applied.change.path: applied for applied in committed.applied}

    def tree(self):
        """Every path that is not ours: its bytes, its link target, or None for a directory."""
        found = {}
        for path in sorted(self.root.rglob("*")):
            name = str(path.relative_to(self.root))
            if name.split("/")[0] == ".pyzsync":
                continue
            if path.is_symlink():
                found[name] = os.fsencode(path.readlink())
            else:
                found[name] = None if path.is_dir() else path.read_bytes()
        return found

    def private(self, name):
        """The files below ``.pyzsync/NAME``: path -> bytes."""
        top = self.root / ".pyzsync" / name
        return {
            str(path.relative_to(top)): path.read_bytes()
            for path in top.rglob("*")
            if path.is_file() and not path.is_symlink()
        }

    def conflicts(self):
        return sorted(self.private("conflicts").values())


@pytest.fixture
def hub():
    return MemoryHub()


@pytest.fixture
def client(tmp_path, hub):
    client = Client(tmp_path / "replica", hub, None)
    client.open()
    yield client
    client.bench.close()


@pytest.fixture
def killed():
    return Killed
