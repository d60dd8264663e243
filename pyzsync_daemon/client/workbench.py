"""The disk side of a client: one method for each effect of the session.

Methods are synchronous and belong in a worker thread. They may run at the same time for different
paths; commits take turns. What the disk refuses comes back as a sentence in the result; only what
no effect can answer for (a broken index) is raised.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path

from protocol.messages import Change, Kind, Position
from pyzsync import MissingBlocks, VersionMismatch
from pyzsync_daemon.client import census
from pyzsync_daemon.client.commit import commit
from pyzsync_daemon.client.deletions import Deletions
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
from pyzsync_daemon.client.entry import explain, may_go, refuses
from pyzsync_daemon.client.place import Item
from pyzsync_daemon.client.prepare import Judged, Preparation, unrecorded
from pyzsync_daemon.client.pull import Pull
from pyzsync_daemon.client.recover import recover
from pyzsync_daemon.client.replica import Replica, Step, WorkbenchSettings
from pyzsync_daemon.client.shelf import Shelf
from pyzsync_daemon.client.stagedfile import StagedFile
from pyzsync_daemon.compression import CodedDataError


class Workbench:
    """A replica being worked on. Opening it recovers from whatever the last process left.

    ``state``: where the index and the trees are kept (default: in the root's ``.pyzsync``).
    ``clock``: nanoseconds since the epoch; ``steady``: seconds that never go back. ``step`` is
    called after each named step of a commit. Raises what ``Replica.open`` and ``recover`` raise.
    """

    def __init__(
        self,
        root: Path,
        state: Path | None = None,
        settings: WorkbenchSettings | None = None,
        clock: Callable[[], int] = time.time_ns,
        steady: Callable[[], float] = time.monotonic,
        step: Step = lambda name: None,
    ) -> None:
        self._replica = Replica.open(root, state, settings, clock, steady, step)
        try:
            recovered = recover(self._replica)
        except BaseException:
            self._replica.close()
            raise
        self.recovered = recovered.kept  # local content that was kept aside
        self.unrecovered = recovered.failed  # why something was not; the next start tries again
        self._settings = self._replica.settings
        self._shelf = Shelf(self._replica.staging)
        self._deletions = Deletions(self._replica, self._shelf)
        self._committing = threading.Lock()

    def close(self) -> None:
        """Close the replica; transfers under way leave old bytes for the next start."""
        self._replica.close()

    @property
    def hub(self) -> bytes:
        """The identity of the hub that this replica follows; empty before the first one."""
        return self._replica.index.hub

    @property
    def position(self) -> Position | None:
        """How far the replica follows the hub."""
        return self._replica.index.position

    @property
    def ahead(self) -> dict[str, int]:
        """The seq of what was applied beyond the position, by path."""
        return self._replica.index.ahead

    def run(self, effect: Effect) -> Result:
        """Do one effect."""
        match effect:
            case Prepare():
                return self.prepare(effect)
            case Match():
                return self.match(effect)
            case Reuse():
                return self.reuse(effect)
            case Apply():
                return self.apply(effect)
            case Put():
                return self.put(effect)
            case Finish():
                return self.finish(effect)
            case Abandon():
                return self.abandon(effect)
            case Commit():
                return self.commit(effect)
            case Save():
                return self.save(effect)
            case Prune():
                return self.prune(effect)
            case Audit():
                return self.audit(effect)

    # --- comparing and staging --------------------------------------------------------------------

    def prepare(self, effect: Prepare) -> Prepared:
        """Compare changes with the disk; stage or record what needs no bytes from the hub."""
        paths = [change.path for change in effect.changes]
        records = self._replica.index.lookup(paths)
        halt = self._deletions.news(effect, records)
        staged = {path: entry for path in paths if (entry := self._shelf.entry(path)) is not None}
        here = self._replica.index.among(each.version for each in effect.changes if each.version)
        reserved = self._shelf.reserved()
        preparation = Preparation(self._replica, records, staged, reserved, here)
        judged: list[Judged] = []
        for change in effect.changes:
            if halt is not None and change.kind is Kind.ABSENT and change.path in records:
                outcome = Outcome(change, State.REFUSED, error=f"{change.path}: {halt}")
                judged.append(Judged(outcome))
            else:
                judged.append(preparation.judge(change))
            self._shelf.put(change.path, judged[-1].entry, judged[-1].pull)
        try:
            self._replica.index.record(
                [each.record for each in judged if each.record is not None],
                deleted=[each.outcome.change for each in judged if each.forget],
            )
        except sqlite3.OperationalError as error:
            judged = [unrecorded(each, error) for each in judged]
        return Prepared(tuple(each.outcome for each in judged))

    def match(self, effect: Match) -> Planned:
        """Search old bytes for the fetched hashes."""
        return self._transfer(effect.change, lambda pull: pull.match(effect.hashlists))

    def reuse(self, effect: Reuse) -> Planned:
        """Stage the old bytes that were found."""
        return self._transfer(effect.change, lambda pull: pull.reuse())

    def apply(self, effect: Apply) -> Planned:
        """Stage what more parts of a delta give."""
        return self._transfer(effect.change, lambda pull: pull.apply(effect.parts))

    def put(self, effect: Put) -> Planned:
        """Stage a block set; one that does not decode is asked for again."""
        change = effect.change
        try:
            planned = self._transfer(change, lambda pull: pull.put(effect))
        except CodedDataError:
            return Planned(change, Plan(blocks=(effect.query,)))
        pull = self._shelf.pull(change)
        return planned if pull is None or not pull.whole else self._complete(change)

    def finish(self, effect: Finish) -> Planned:
        """Verify a whole version."""
        change = effect.change
        pull = self._shelf.pull(change)
        if pull is None:
            return _not_open(change)
        try:
            tree = pull.finish()
        except (VersionMismatch, MissingBlocks) as error:
            return Planned(change, error=f"{change.path}: {error}")
        if isinstance(tree, Plan):
            return Planned(change, tree)
        if tree is not None and tree.length >= self._settings.tree_bytes:
            self._replica.trees.save(tree)
        return self._complete(change)

    def abandon(self, effect: Abandon) -> Planned:
        """Close a transfer; its bytes stay as old bytes for the path's next one."""
        self._shelf.put(effect.change.path, None, None)
        return Planned(effect.change)

    # --- putting in place -------------------------------------------------------------------------

    def commit(self, effect: Commit) -> Committed:
        """Put prepared entries in place."""
        with self._committing:
            items: list[Item] = []
            again: list[Change] = []
            failed: list[tuple[Change, str]] = []
            refused: list[tuple[Change, str]] = []
            applied: list[Applied] = []
            for change in effect.changes:
                entry = self._shelf.entry(change.path)
                if entry is None or not entry.serves(change):
                    again.append(change)
                elif refusal := refuses(self._settings, entry, effect.published):
                    refused.append((change, refusal))
                else:
                    let_go = may_go(self._settings, entry, effect.published)
                    items.append(Item(entry, change, let_go))
            commit(self._replica, items)
            for item in items:
                self._shelf.committed(item)
                if item.error:
                    (refused if item.refused else failed).append((item.change, item.error))
                elif item.overtaken:
                    again.append(item.change)
                else:
                    applied.append(_applied(item))
                    self._forget_tree(item)
        return Committed(tuple(applied), tuple(again), tuple(failed), tuple(refused))

    def save(self, effect: Save) -> Saved:
        """Remember the hub's identity and the position."""
        self._replica.index.save(effect.hub, effect.position)
        return Saved(effect.position)

    # --- the whole tree ---------------------------------------------------------------------------

    def prune(self, effect: Prune) -> Pruned:
        """The deletions that a complete snapshot implies."""
        gone = census.left_out(self._replica, effect.paths)
        halt = self._deletions.snapshot(len(effect.paths), [change.path for change in gone])
        if halt is not None:
            return Pruned((), str(halt))
        self._replica.staging.forget_remains(effect.paths)
        if self._settings.mirror:
            gone += census.foreign(self._replica, effect.paths)
        return Pruned(tuple(gone))

    def audit(self, effect: Audit) -> Audited:
        """The recorded changes that the disk no longer shows."""
        under_way = self._shelf.paths()
        changes = census.differing(self._replica, under_way)
        if self._settings.mirror:
            changes += census.foreign(self._replica, under_way)
        return Audited(tuple(changes))

    # --- inside -----------------------------------------------------------------------------------

    def _complete(self, change: Change) -> Planned:
        self._shelf.complete(change)
        return Planned(change, whole=True)

    def _transfer(self, change: Change, work: Callable[[Pull[StagedFile]], Plan]) -> Planned:
        pull = self._shelf.pull(change)
        if pull is None:
            return _not_open(change)
        try:
            return Planned(change, work(pull))
        except CodedDataError:
            raise
        except ValueError as error:
            return Planned(change, error=f"{change.path}: the hub's answer does not fit: {error}")
        except OSError as error:
            return Planned(change, error=explain(error, change.path))

    def _forget_tree(self, item: Item) -> None:
        """The tree of a version that no path has any more is of no use."""
        old = item.entry.local
        large = old.fingerprint is not None and old.fingerprint.size >= self._settings.tree_bytes
        if large and old.version and not self._replica.index.holders(old.version, 1):
            self._replica.trees.drop(old.version)


def _applied(item: Item) -> Applied:
    return Applied(item.change, item.entry.fetched, item.entry.reused, item.conflict)


def _not_open(change: Change) -> Planned:
    return Planned(change, error=f"{change.path}: no transfer of this version is open")
