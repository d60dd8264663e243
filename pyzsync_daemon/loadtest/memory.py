"""A replica in memory: the interface of the real ``Workbench``, with files as edits of a base.

The work is that of the disk: the same ``Pull`` searches, patches and verifies. Only where it would
do what it did for another client of this worker, with the same old content and the same bytes
received, the result is taken from there (``Shared``): a thousand clients on one machine stand for a
thousand machines, and should not slow down the hub more than those would.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from protocol.messages import Change, Delta, Kind, Position
from pyzsync import EMPTY_VERSION, MissingBlocks, VersionMismatch
from pyzsync_daemon.client.effects import (
    Abandon,
    Applied,
    Apply,
    Audit,
    Audited,
    Commit,
    Committed,
    Effect,
    Finish,
    Match,
    Outcome,
    Plan,
    Planned,
    Prepare,
    Prepared,
    Prune,
    Pruned,
    Put,
    Result,
    Reuse,
    Save,
    Saved,
    State,
)
from pyzsync_daemon.client.pull import Pull
from pyzsync_daemon.client.transfer import ends
from pyzsync_daemon.compression import CodedDataError
from pyzsync_daemon.loadtest import shared as sharing
from pyzsync_daemon.loadtest.oldbytes import MemoryOld, MemoryStage, MemoryStaged
from pyzsync_daemon.loadtest.segments import Segments
from pyzsync_daemon.loadtest.shared import Content, Shared


@dataclass(frozen=True, slots=True)
class Held:
    """An entry as the hub gave it; ``content`` is a file's."""

    change: Change
    content: Content | None = None
    fetched: int = 0


@dataclass(slots=True)
class Transfer:
    """A version on its way: what the ``Pull`` staged, and the parts of a delta so far."""

    pull: Pull[MemoryStaged]
    staged: MemoryStaged
    old: Content | None
    parts: list[Delta] = field(default_factory=list)
    whole: sharing.Applied | None = None  # what an equal delta made for another client


class MemoryBench:
    """One replica; it begins with ``base`` (see ``holding``), or empty."""

    def __init__(self, shared: Shared, base: Mapping[str, Held]) -> None:
        self.hub = b""
        self.position: Position | None = None
        self.ahead: Mapping[str, int] = {}  # the session knows; nobody outlives it here
        self.tree = dict(base)
        self._versions = Counter(held.change.version for held in base.values())
        self._shared = shared
        self._transfers: dict[str, Transfer] = {}
        self._ready: dict[str, Held] = {}

    def run(self, effect: Effect) -> Result:
        """Do one effect."""
        match effect:
            case Prepare():
                return Prepared(tuple(map(self._prepare, effect.changes)))
            case Apply():
                return self._apply(effect)
            case Match():
                return self._step(effect.change, lambda pull: pull.match(effect.hashlists))
            case Reuse():
                return self._step(effect.change, lambda pull: pull.reuse())
            case Put():
                return self._put(effect)
            case Finish():
                return self._finish(effect.change)
            case Abandon():
                self._drop(effect.change.path)
                return Planned(effect.change)
            case Commit():
                return self._commit(effect)
            case Save():
                self.hub, self.position = effect.hub, effect.position
                return Saved(effect.position)
            case Prune():
                gone = sorted(self.tree.keys() - effect.paths)
                return Pruned(tuple(Change(0, path, Kind.ABSENT) for path in gone))
            case Audit():
                return Audited(())

    @property
    def files(self) -> dict[str, Segments]:
        """The bytes of every file."""
        held = self.tree.items()
        return {path: each.content.bytes for path, each in held if each.content is not None}

    # --- comparing and staging --------------------------------------------------------------------

    def _prepare(self, change: Change) -> Outcome:
        self._drop(change.path)
        held = self.tree.get(change.path)
        if change.kind is Kind.ABSENT:
            if held is None:
                return Outcome(change, State.SATISFIED)
            self._ready[change.path] = Held(change)
            return Outcome(change, State.READY)
        if held is not None and _same(held.change, change):
            return Outcome(change, State.SATISFIED)
        if change.kind is not Kind.FILE:
            self._ready[change.path] = Held(change)
            return Outcome(change, State.READY)
        content = self._find(change.version)
        if content is not None:
            self._ready[change.path] = Held(change, content)
            return Outcome(change, State.READY)
        return Outcome(change, State.PULL, self._pull(change, held))

    def _find(self, version: bytes) -> Content | None:
        """A file of this replica that has this version."""
        if version == EMPTY_VERSION:
            return Content(version, Segments(0))
        if not self._versions[version]:
            return None
        for held in self.tree.values():
            if held.content is not None and held.content.version == version:
                return held.content
        return None

    def _pull(self, change: Change, held: Held | None) -> Plan:
        old = held.content if held is not None else None
        staged = MemoryStaged(self._shared, change.version, change.size)
        pull = Pull(MemoryStage(staged), change, change.path, MemoryOld(old))
        self._transfers[change.path] = Transfer(pull, staged, old)
        return pull.plan()

    def _apply(self, effect: Apply) -> Planned:
        """A delta is applied when its last part is here: then it can be told from others."""
        change = effect.change
        transfer = self._transfer(change)
        if transfer is None:
            return _not_open(change)
        transfer.parts += effect.parts
        if not ends(effect):
            return Planned(change)
        parts, transfer.parts = transfer.parts, []
        data = tuple(each.data for each in parts)
        if transfer.old is not None:
            transfer.whole = self._shared.applied(transfer.old, change.version, data)
        if transfer.whole is not None:
            return Planned(change)
        planned = self._step(change, lambda pull: pull.apply(parts))
        if planned != Planned(change):
            return planned
        tree = transfer.pull.finish()
        if transfer.old is not None and not isinstance(tree, Plan):
            new = self._shared.keep(change.version, transfer.staged.bytes, tree)
            transfer.whole = sharing.Applied(transfer.old, data, new, transfer.pull.fetched)
            self._shared.keep_applied(transfer.whole)
        return Planned(change)

    def _put(self, effect: Put) -> Planned:
        change = effect.change
        try:
            planned = self._step(change, lambda pull: pull.put(effect))
        except CodedDataError:
            return Planned(change, Plan(blocks=(effect.query,)))
        transfer = self._transfer(change)
        return planned if transfer is None or not transfer.pull.whole else self._finish(change)

    def _finish(self, change: Change) -> Planned:
        transfer = self._transfer(change)
        if transfer is None:
            return _not_open(change)
        if transfer.whole is not None:
            content, fetched = transfer.whole.new, transfer.whole.fetched
        else:
            try:
                tree = transfer.pull.finish()
            except (VersionMismatch, MissingBlocks) as error:
                return Planned(change, error=f"{change.path}: {error}")
            if isinstance(tree, Plan):
                return Planned(change, tree)
            content = self._shared.keep(change.version, transfer.staged.bytes, tree)
            fetched = transfer.pull.fetched
        del self._transfers[change.path]
        self._ready[change.path] = Held(change, content, fetched)
        return Planned(change, whole=True)

    # --- putting in place -------------------------------------------------------------------------

    def _commit(self, effect: Commit) -> Committed:
        applied: list[Applied] = []
        again: list[Change] = []
        for change in effect.changes:
            ready = self._ready.pop(change.path, None)
            if ready is None or (ready.change.kind, ready.change.version) != (
                change.kind,
                change.version,
            ):
                again.append(change)
                continue
            before = self.tree.pop(change.path, None)
            if before is not None:
                self._versions[before.change.version] -= 1
            if change.kind is not Kind.ABSENT:
                self.tree[change.path] = replace(ready, change=change)
                self._versions[change.version] += 1
            applied.append(Applied(change, ready.fetched, max(0, change.size - ready.fetched)))
        return Committed(tuple(applied), tuple(again))

    # --- inside -----------------------------------------------------------------------------------

    def _step(self, change: Change, work: Callable[[Pull[MemoryStaged]], Plan]) -> Planned:
        transfer = self._transfer(change)
        if transfer is None:
            return _not_open(change)
        try:
            return Planned(change, work(transfer.pull))
        except CodedDataError:
            raise
        except ValueError as error:
            return Planned(change, error=f"{change.path}: the hub's answer does not fit: {error}")

    def _transfer(self, change: Change) -> Transfer | None:
        transfer = self._transfers.get(change.path)
        fits = transfer is not None and transfer.pull.change.version == change.version
        return transfer if fits else None

    def _drop(self, path: str) -> None:
        self._transfers.pop(path, None)
        self._ready.pop(path, None)


def holding(files: Mapping[str, Content]) -> dict[str, Held]:
    """The records of a replica that was filled before it met its hub; clients may share them."""
    return {
        path: Held(Change(0, path, Kind.FILE, size=each.bytes.length, version=each.version), each)
        for path, each in files.items()
    }


def _same(mine: Change, other: Change) -> bool:
    """Whether an entry has the content of another; mode and times take no bytes."""
    facts = (mine.kind, mine.version, mine.target)
    return facts == (other.kind, other.version, other.target)


def _not_open(change: Change) -> Planned:
    return Planned(change, error=f"{change.path}: no transfer of this version is open")
