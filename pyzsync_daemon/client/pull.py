"""One version on its way from the hub into staging.

With one of the hub's versions at hand a delta from it is tried first. Without old bytes all blocks
are asked for. Else ``Search`` asks for hashes, coarse ones first, and finds what old bytes give;
then the leaves that nothing gave are asked for, and old bytes are staged while they are on their
way. Whatever is staged is hashed from the staged bytes; only then is it believed, and never asked
for again.

If all windows hold and the whole does not, a block was matched by chance: one second try with all
the finest hashes. The session calls the methods one at a time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import replace
from itertools import chain, islice
from typing import Generic

from protocol import runs
from protocol.messages import BlockQuery, Change, Delta, DeltaQuery, Hashlist
from pyzsync import (
    BadDelta,
    Blueprint,
    Hashes,
    HashTree,
    Patch,
    Target,
    VersionMismatch,
    version_of_bytes,
)
from pyzsync.grid import LEAF, WINDOW, window_bytes, window_count
from pyzsync.parallel import in_turn
from pyzsync.runs import Runs
from pyzsync_daemon.client import queries
from pyzsync_daemon.client.effects import Plan, Put
from pyzsync_daemon.client.interfaces import File, OldContent, Stage
from pyzsync_daemon.client.replaying import Replaying
from pyzsync_daemon.client.search import Search
from pyzsync_daemon.compression import CodedDataError, decompress

WHOLE = 8 * LEAF  # bytes: to search old ones for so few takes longer than to fetch them all
AHEAD = 256  # block sets asked for at a time: a file may have half a million of them


class Pull(Generic[File]):
    """The transfer of ``change`` into the staging file ``name``, from ``old`` bytes and the hub.

    ``resumes``: the old bytes have most of this very version, from an interrupted transfer.
    """

    def __init__(
        self,
        staging: Stage[File],
        change: Change,
        name: str,
        old: OldContent[File],
        resumes: bool = False,
    ) -> None:
        self.change = change
        self.name = name
        self.old = old
        self.fetched = 0  # bytes that came from the hub, decoded
        self._resumes = resumes
        self._staging = staging
        self._file: File | None = None
        self._made: tuple[Patch, Search] | None = None
        self._replaying: Replaying[File] | None = None
        self._tree: HashTree | None = None  # of a delta that was applied
        self._second = False
        self.begun = False  # its staging file is there
        self.whole = False  # staged by one write of verified bytes
        self._wanted: Iterator[BlockQuery] = iter(())  # those that are not asked for yet
        self._asked: set[int] = set()  # windows that wait for blocks while old bytes are staged

    def plan(self) -> Plan:
        """The first step."""
        old = self._follows or self._older
        if old and not self._resumes:
            return replace(self._without_delta(), delta=DeltaQuery(old, self.change.version))
        return self._without_delta()

    def apply(self, parts: Iterable[Delta]) -> Plan:
        """Stage what the next parts of a delta give; a plan if it is of no use. ``OSError`` if the
        disk says no."""
        with self._opened() as file:
            try:
                for part in parts:
                    self._replay(part, file)
            except (BadDelta, CodedDataError, VersionMismatch):
                self._replaying = self._tree = None
                return self._without_delta()
        return Plan()

    def _replay(self, part: Delta, file: File) -> None:
        if self._replaying is None:
            old = self.old
            self._replaying = Replaying(part, old, old.files[0].length, self.change.size)
        self._replaying.put(part, file)
        if part.part == part.parts - 1:
            self._tree = self._replaying.finish(self.change.version, file)
            self.fetched = self._replaying.literal_bytes

    def match(self, hashlists: tuple[Hashlist, ...]) -> Plan:
        """Take hashes, find what old bytes give.

        Returns the finer hashes or the blocks still needed. ``ValueError`` if a hashlist does not
        fit the file, ``OSError`` if the disk says no.
        """
        with self._opened():
            if self._second:
                self._take_all(hashlists)
                return self._ask_for(iter(self._stage_copies()))
            if finer := self._search.take(hashlists):
                return Plan(hashes=finer)
            plan = self._ask_for(self._not_found())
            self._asked = {query.window for query in plan.blocks}
            return replace(plan, reuse=True)

    def reuse(self) -> Plan:
        """Stage what old bytes give; returns what is still missing and not asked for yet.

        ``OSError`` if the disk says no.
        """
        with self._opened():
            self._wanted = iter(self._stage_copies())
        room = AHEAD - len(self._asked)
        self._asked.clear()
        return Plan(blocks=tuple(islice(self._wanted, room)))

    def put(self, effect: Put) -> Plan:
        """Stage one block set and check its window.

        Returns the leaves of the window that are still missing, or the next window to ask for if it
        is done. ``CodedDataError`` if the data does
        not decode, ``ValueError`` if it does not fit the query, ``OSError`` if the disk says no.
        """
        if self._take_whole(effect):
            return Plan()
        window = effect.query.window
        leaves = queries.without(runs.decode(effect.query.leaves), runs.decode(effect.gone))
        data = decompress(effect.coding, effect.data, self._bytes_of(window, leaves))
        with self._opened():
            if leaves:
                self._patch.put(window, leaves, data)
                self.fetched += len(data)
            missing = self._patch.check(window)
        return Plan(blocks=self._ask(window, missing) or tuple(islice(self._wanted, 1)))

    def finish(self) -> HashTree | Plan | None:
        """The verified tree of the whole, or a plan for the second try.

        None: the whole is verified, and too small for its tree to be kept. Raises
        ``VersionMismatch`` when there is no try left, ``MissingBlocks`` if it is too early.
        """
        if self._tree is not None:
            return self._tree
        if self.whole:
            return None
        try:
            return self._patch.finish()
        except VersionMismatch:
            if self._second:
                raise
        self._second = True
        version, size = self.change.version, self.change.size
        target = self._patch.target
        unknown = ~target.known(target.base)
        if unknown.any():
            return Plan(hashes=queries.hashes(version, size, target.base, unknown))
        return self._ask_for(queries.all_blocks(version, size))

    # --- inside -----------------------------------------------------------------------------------

    @property
    def _follows(self) -> bytes:
        """The version that the change follows, if the file at the path is it."""
        follows, files = self.change.follows, self.old.files
        exact = files and not files[0].staged and files[0].version == follows
        return follows if exact and follows != self.change.version else b""

    @property
    def _older(self) -> bytes:
        """Another version that the hub gave, if the file at the path is it; but what is staged of
        a newer one saves more than a delta."""
        files = self.old.files
        return files[0].version if len(files) == 1 and files[0].given else b""

    def _without_delta(self) -> Plan:
        version, size = self.change.version, self.change.size
        staged = any(file.staged for file in self.old.files)
        if not self.old.files or (size <= WHOLE and not staged):
            return self._ask_for(queries.all_blocks(version, size))
        return Plan(hashes=Search.first(version, size, self._follows))

    @property
    def _patch(self) -> Patch:
        return self._parts()[0]

    @property
    def _search(self) -> Search:
        return self._parts()[1]

    def _parts(self) -> tuple[Patch, Search]:
        """Made when they are first needed: thousands of small transfers wait at a time."""
        if self._made is None:
            target = Target(self.change.version, self.change.size)
            blueprint = Blueprint(self.change.size)
            read, columns = self.old.read, self.old.columns
            patch = Patch(target, blueprint, read, self._read, self._write, self._copy, columns)
            self._made = patch, Search(target, blueprint, self.old, self._cores)
        return self._made

    def _take_all(self, hashlists: tuple[Hashlist, ...]) -> None:
        """The second try: only hashes to check the staged windows by."""
        for each in hashlists:
            hashes = Hashes.from_bytes(each.weak, each.strong, each.width)
            nodes = runs.decode(each.query.nodes)
            self._patch.target.add(each.query.level, each.query.window, nodes, hashes)

    def _take_whole(self, effect: Put) -> bool:
        """Stage a small file that has come in one piece, if it is what was announced.

        First syncs are full of them. If it is not, the usual way finds out what is wrong.
        """
        change = self.change
        small = effect.size == change.size < min(self.old.tree_bytes, WINDOW)
        if self.begun or not small or change.sparse:
            return False
        data = decompress(effect.coding, effect.data, effect.size)
        if version_of_bytes(data) != change.version:
            return False
        self._staging.fill(self.name, data, change)
        self.begun = self.whole = True
        self.fetched += change.size
        return True

    @property
    def _cores(self) -> Executor | None:
        """Threads to share the work; to wake one for a single window would only take time."""
        return self.old.cores if max(self.change.size, self.old.length) > WINDOW else None

    def _stage_copies(self) -> tuple[BlockQuery, ...]:
        windows = range(window_count(self.change.size))
        return tuple(chain.from_iterable(in_turn(self._stage_copy, windows, self._cores)))

    def _stage_copy(self, window: int) -> tuple[BlockQuery, ...]:
        """For one window, beside others: each has its own nodes of the patch."""
        self._patch.copy(window)
        if window in self._asked:  # it is checked with the blocks
            return ()
        return self._ask(window, self._patch.check(window))

    def _not_found(self) -> Iterator[BlockQuery]:
        """For each window the leaves that the search has not found."""
        blueprint = self._patch.blueprint
        for window in range(window_count(self.change.size)):
            yield from self._ask(window, blueprint.missing(window))

    def _ask_for(self, wanted: Iterator[BlockQuery]) -> Plan:
        """Ask for the first block sets; each that is done brings the next one (see ``put``)."""
        self._wanted = wanted
        return Plan(blocks=tuple(islice(wanted, AHEAD)))

    def _ask(self, window: int, leaves: Runs) -> tuple[BlockQuery, ...]:
        return (queries.blocks(self.change.version, window, leaves),) if leaves else ()

    def _bytes_of(self, window: int, leaves: Runs) -> int:
        end = window_bytes(self.change.size, window)
        return sum(min(stop * LEAF, end) - start * LEAF for start, stop in leaves)

    @contextmanager
    def _opened(self) -> Iterator[File]:
        """Old files and the staging file are open only while a method works.

        It is made by the first: what had been verified and is not there is not to be made anew.
        """
        change = self.change
        size = None if self.begun else change.size
        with self.old.opened(), self._staging.open(self.name, change.sparse, size) as self._file:
            self.begun = True
            yield self._file

    def _copy(self, source: int, offset: int, size: int) -> int:
        assert self._file is not None
        return self.old.copy(source, size, self._file, offset)

    def _read(self, offset: int, size: int) -> bytes:
        assert self._file is not None
        return self._file.read(offset, size)

    def _write(self, offset: int, data: bytes) -> None:
        assert self._file is not None
        self._file.write(offset, data)
