"""The announcement log as clients follow it: encoded pages, the same bytes for all at one place.

A client's place is a ``Cursor``, a value of a few bytes: one that falls behind costs nothing, and
is later told each path's latest state once, since the log is the entries table ordered by seq.

    start(position) --- the log still has what follows it ---> Live
                   \\-- no position, or one too old ----------> Snapshot --- last page ---> Live

A snapshot goes by path and takes as long as the client needs. It is closed by the position at which
it began; what changed meanwhile is then announced (perhaps once more) from there.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from os import fsencode
from typing import NamedTuple

from protocol.codec import announce_frames, join
from protocol.errors import Code, ProtocolError
from protocol.messages import Change, DeltaQuery, Position
from pyzsync_daemon.files.trees import TreeStore
from pyzsync_daemon.hub.deltas import DeltaMaker
from pyzsync_daemon.hub.index import HubIndex
from pyzsync_daemon.hub.kept import Kept
from pyzsync_daemon.hub.pushes import LEARNED_BYTES, PUSH_CHANGES, Pushes, total

PAGE_CHANGES = 1024  # encoding them takes some 20 ms of a thread; announcements hold no more
PAGE_BYTES = 1 << 20  # what a slow client may have to send at once; about, and pushes come on top
CACHE_BYTES = 32 << 20  # pages kept: enough for a fleet that connects at once


@dataclass(frozen=True, slots=True)
class Live:
    """All changes up to ``seq`` were sent; ``closed`` if a position has told the client so."""

    seq: int
    closed: bool


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Entries up to path ``after`` were sent, of a snapshot that began at position ``began``."""

    after: str
    began: Position


Cursor = Live | Snapshot


@dataclass(frozen=True, slots=True)
class Page:
    """Frames, the cursor behind them, and whether there is more to follow right now.

    ``lacking``: deltas that its clients could use, should somebody have them made; ``room``: the
    bytes of such that it may still take.
    """

    frames: tuple[bytes, ...] = field(repr=False)
    cursor: Cursor
    more: bool
    lacking: tuple[DeltaQuery, ...] = ()
    room: int = LEARNED_BYTES


class Place(NamedTuple):
    """What a page is a function of."""

    cursor: Cursor
    head: Position
    bare: bool


class AnnounceLog:
    """Pages of the log, from any thread; equal pages are made once and shared.

    ``deltas`` makes those that are pushed with a page (None: hashlists only). ``cache_bytes``
    bounds the pages that are kept, least recently used going first. ``made`` counts pages.
    """

    def __init__(
        self,
        index: HubIndex,
        store: TreeStore,
        deltas: DeltaMaker | None = None,
        cache_bytes: int = CACHE_BYTES,
    ) -> None:
        self.made = 0
        self._index = index
        self._pushes = Pushes(store, deltas)
        self._pages: Kept[Place, Page] = Kept(cache_bytes, _size)
        # Held while a page is made: who wants the same one at the same time waits and shares it.
        self._lock = threading.Lock()

    def start(self, position: Position | None) -> tuple[Cursor, bool]:
        """Return the cursor of a client at ``position``, and whether it can resume there."""
        if position is not None and self._index.resumable(position):
            return Live(position.seq, closed=False), True
        return Snapshot("", self._index.position()), False

    def place(self, cursor: Cursor, *, bare: bool = False) -> Place:
        """What names the page at ``cursor`` as the log is now. ``bare``: without pushes."""
        return Place(cursor, self._index.position(), bare)

    def known(self, place: Place) -> Page | None:
        """The page, if it was made before; waits for nothing."""
        page = self._pages.get(place)
        if page is None or not page.lacking:
            return page
        learned = self._pushes.learned(page.lacking, page.room)
        if learned:
            frames = join(chain.from_iterable(learned.values()))
            lacking = tuple(query for query in page.lacking if query not in learned)
            room = page.room - sum(map(total, learned.values()))
            page = replace(page, frames=(*frames, *page.frames), lacking=lacking, room=room)
            self._pages.put(place, page)
        return page

    def page(self, place: Place) -> Page:
        """Return the page of a place.

        The pages after a ``start`` always end in a position, so that a client that missed nothing
        learns that. Raises ``ProtocolError`` (SLOW_CLIENT) when deletions after the cursor
        are no longer in the log: the client has to start anew.
        """
        with self._lock:
            return self.known(place) or self._shared(place) or self._made(place)

    def follow(self, cursor: Cursor) -> Page:
        """Return the page at ``cursor``, as ``page`` does."""
        return self.page(self.place(cursor))

    # --- pages -----------------------------------------------------------------------------------

    def _shared(self, place: Place) -> Page | None:
        """A page of a snapshot that began earlier is that of one which begins now, since all that
        changed in between is announced to either; but for the last, which has a position."""
        cursor, head = place.cursor, place.head
        if isinstance(cursor, Live) or cursor.began == head:
            return None
        now = Place(replace(cursor, began=head), head, bare=False)
        page = self.known(now) or self._made(now)
        if isinstance(page.cursor, Live):
            return None
        return replace(page, cursor=replace(page.cursor, began=cursor.began))

    def _made(self, place: Place) -> Page:
        if isinstance(place.cursor, Live):
            page = self._live(place.cursor, place.head, place.bare)
        else:
            page = self._snapshot(place.cursor, place.head)
        self.made += 1
        self._pages.put(place, page)
        return page

    def _live(self, cursor: Live, head: Position, bare: bool) -> Page:
        rows = self._index.since(cursor.seq, PAGE_CHANGES)
        # Asked after the rows were read: a deletion that was not among them is before the floor.
        if cursor.seq < self._index.floor:
            raise ProtocolError(Code.SLOW_CLIENT, "deletions that it missed are forgotten by now")
        # What was committed since ``head`` was read belongs to a later page.
        upto = [change for change in rows if change.seq <= head.seq]
        changes = _fit(upto)
        complete = len(changes) == len(upto) and (len(upto) < len(rows) or len(rows) < PAGE_CHANGES)
        if complete and not changes and cursor.closed:
            return Page((), cursor, more=False)
        pushed, lacking = ([], ()) if bare else self._pushed(changes, cursor.seq)
        after = Live(head.seq, closed=True) if complete else Live(changes[-1].seq, closed=False)
        messages = pushed + announce_frames(changes, head if complete else None)
        return Page(tuple(join(messages)), after, not complete, lacking)

    def _pushed(
        self, changes: Sequence[Change], seq: int
    ) -> tuple[list[bytes], tuple[DeltaQuery, ...]]:
        if len(changes) > PUSH_CHANGES:
            return [], ()
        held = self._index.held([change.path for change in changes], seq)
        return self._pushes.of(changes, held)

    def _snapshot(self, cursor: Snapshot, head: Position) -> Page:
        rows = self._index.snapshot(cursor.after, PAGE_CHANGES)
        changes = _fit(rows)
        if len(changes) < len(rows) or len(rows) == PAGE_CHANGES:
            frames = announce_frames(changes, None, snapshot=True)
            return Page(tuple(join(frames)), Snapshot(changes[-1].path, cursor.began), more=True)
        frames = announce_frames(changes, cursor.began, snapshot=True)
        live = Live(cursor.began.seq, closed=True)
        return Page(tuple(join(frames)), live, more=head != cursor.began)


def _fit(changes: Sequence[Change]) -> Sequence[Change]:
    """As many changes as make a page, and at least one if there is any."""
    size = 0
    for index, change in enumerate(changes):
        # Everything in a change but its names is below 160 bytes.
        size += 160 + len(fsencode(change.path)) + len(fsencode(change.target))
        if size > PAGE_BYTES and index:
            return changes[:index]
    return changes


def _size(page: Page) -> int:
    return 512 + sum(map(len, page.frames))  # 512: the key, the cursor and the tables' slots
