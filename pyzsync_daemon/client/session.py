"""What a client does when, without doing it: messages and results in, messages and effects out.

The session outlives connections: transfers go on where they were when the hub is back.

    phase       accepts from the hub                       leaves by
    ---------   ----------------------------------------   -------------------------
    OFFLINE     nothing                                    connected() -> GREETING
    GREETING    Welcome, Goodbye                           Welcome     -> SYNCING
    SYNCING     Announce, every answer, Goodbye            lost()      -> OFFLINE

Nothing here reads a clock or a disk; ``now`` is in seconds of any steady clock.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import replace
from enum import Enum

from protocol.errors import Code, ProtocolError, UnexpectedMessage
from protocol.messages import (
    Ack,
    Announce,
    Blocks,
    Delta,
    Failed,
    Goodbye,
    Hashlist,
    HashQuery,
    Hello,
    Message,
    Position,
    Published,
    Welcome,
)
from pyzsync_daemon.client.effects import (
    Audit,
    Audited,
    Effect,
    Prune,
    Pruned,
    Result,
    Save,
    Saved,
)
from pyzsync_daemon.client.pipeline import Pipeline
from pyzsync_daemon.client.requests import Requests

PROTOCOLS = (1,)
MAX_PUSHED = 64  # pushed hashlists kept until their change asks for them; 64 x 32 KiB at the most


class Phase(Enum):
    """Where the connection is."""

    OFFLINE = "offline"
    GREETING = "greeting"
    SYNCING = "syncing"


ACCEPTS: dict[Phase, tuple[type, ...]] = {
    Phase.OFFLINE: (),
    Phase.GREETING: (Welcome, Goodbye),
    Phase.SYNCING: (Announce, Hashlist, Blocks, Delta, Published, Failed, Goodbye),
}


class ClientSession:
    """One replica following one hub."""

    def __init__(
        self, agent: str, hub: bytes, position: Position | None, inflight_bytes: int
    ) -> None:
        self.phase = Phase.OFFLINE
        self.goodbye: Goodbye | None = None
        self.halted = ""  # the reason why deletions are held back
        self._agent = agent
        self._hub = hub
        self._position = position
        self._requests = Requests(inflight_bytes)
        self._pipeline = Pipeline(self._requests)
        self._messages: list[Message] = []
        self._effects: list[Effect] = []
        self._pushed: OrderedDict[HashQuery, Hashlist] = OrderedDict()
        self._named: set[str] | None = None  # paths of the snapshot that is under way
        self._snapshot_end: Position | None = None
        self._pruning = False
        self._later: list[Position] = []  # positions announced while the snapshot is pruned
        self._current = False  # a position has come since the greeting
        self._audited: set[str] | None = None  # while an audit runs: paths it may not speak of
        self._saving: Position | None = None

    # --- in ------------------------------------------------------------------------------------

    def connected(self) -> None:
        """A connection stands: greet the hub."""
        self.phase = Phase.GREETING
        self.goodbye = None
        self._messages.append(Hello(PROTOCOLS, (), self._agent, self._hub, self._position))

    def lost(self) -> None:
        """The connection is gone. What was announced and not applied is announced again."""
        self.phase = Phase.OFFLINE
        self._messages.clear()
        self._requests.lost()
        self._pipeline.lost()
        self._current = False
        self._named = self._snapshot_end = None
        self._later.clear()

    def receive(self, message: Message, now: float) -> None:
        """A message has come. Raises ``ProtocolError`` when the conversation cannot go on."""
        if not isinstance(message, ACCEPTS[self.phase]):
            raise UnexpectedMessage(self.phase.value, type(message).__name__)
        match message:
            case Welcome():
                self._welcome(message)
            case Announce():
                self._announce(message)
            case Hashlist() | Blocks() | Published() | Failed():
                self._answer(message, now)
            case Goodbye():
                self.goodbye = message

    def audit(self) -> None:
        """Compare the replica with its records now."""
        if self._audited is None:
            self._audited = self._pipeline.paths()
            self._effects.append(Audit())

    def complete(self, effect: Effect, result: Result, now: float) -> None:
        """An effect has ended."""
        match result:
            case Saved():
                self._saved(result)
            case Pruned():
                self._pruned(result)
            case Audited():
                self._redo(result)
            case _:
                self._pipeline.complete(effect, result, now)

    # --- out -----------------------------------------------------------------------------------

    def take(self, now: float) -> tuple[list[Message], list[Effect]]:
        """The messages to send and the effects to run, both in order."""
        self._prune()
        while True:
            self._effects += self._pipeline.take(now)
            if not self._ask(now):  # an answer that was pushed may make another effect due
                break
        self._advance()
        messages, self._messages = self._messages, []
        effects, self._effects = self._effects, []
        return messages, effects

    def wake_at(self) -> float | None:
        """When ``take`` has something new by itself."""
        return self._pipeline.wake_at()

    @property
    def settled(self) -> bool:
        """The replica shows everything the hub has announced, but for ``problems``."""
        return (
            self._current
            and self._snapshot_end is None
            and self._audited is None
            and self._saving is None
            and self._pipeline.idle
        )

    @property
    def problems(self) -> dict[str, str]:
        """Paths that are not as the hub has them, and why."""
        return self._pipeline.problems()

    @property
    def position(self) -> Position | None:
        """How far the replica is known to follow."""
        return self._position

    # --- the hub's messages --------------------------------------------------------------------

    def _welcome(self, message: Welcome) -> None:
        if self._hub and message.hub != self._hub:
            raise ProtocolError(
                Code.WRONG_HUB,
                f"this replica follows hub {self._hub.hex()[:16]}, "
                f"and hub {message.hub.hex()[:16]} answered",
            )
        if not self._hub:
            self._hub = message.hub
            self._effects.append(Save(self._hub, self._position))
        self.phase = Phase.SYNCING
        self._requests.max_queries = message.requests
        self._pipeline.watermark.reset()
        self._named = None if message.resumed else set()
        if not message.resumed:
            self._pipeline.forget_waiting()

    def _announce(self, message: Announce) -> None:
        for change in message.changes:
            for paths in (self._named, self._audited):
                if paths is not None:
                    paths.add(change.path)
            self._pipeline.announce(change)
        if message.position is None:
            return
        if message.snapshot and self._named is not None and self._snapshot_end is None:
            self._snapshot_end = message.position
        elif self._snapshot_end is not None:
            self._later.append(message.position)
        else:
            self._pipeline.watermark.mark(message.position)
        self._current = True

    def _answer(self, message: Hashlist | Blocks | Published | Failed, now: float) -> None:
        owner = self._requests.owner(message.query)
        parts = message.parts if isinstance(message, Blocks) else 1
        asked = self._requests.part(message.query, parts)
        if owner:
            self._pipeline.answer(message, owner, now)
        elif isinstance(message, Hashlist) and not asked:
            self._pushed[message.query] = message
            if len(self._pushed) > MAX_PUSHED:
                self._pushed.popitem(last=False)

    # --- results -------------------------------------------------------------------------------

    def _prune(self) -> None:
        """The snapshot is complete, and no job of an earlier connection can add to the records."""
        if self._snapshot_end is None or self._named is None or self._pruning:
            return
        if self._pipeline.paths() <= self._named:
            self._pruning = True
            self._effects.append(Prune(frozenset(self._named)))

    def _redo(self, result: Audited) -> None:
        """Do again what the disk no longer shows, but for paths that have moved on meanwhile."""
        skip, self._audited = self._audited or set(), None
        for change in result.changes:
            if change.path not in skip:
                self._pipeline.announce(change)

    def _pruned(self, result: Pruned) -> None:
        """Deletions that the snapshot implies, unless the path was announced again meanwhile."""
        self._pruning = False
        end, named = self._snapshot_end, self._named
        if end is None or named is None:
            return  # the connection was lost meanwhile; the next snapshot decides
        self._snapshot_end = self._named = None
        self.halted = result.halted
        for change in result.changes:
            if change.path not in named:
                self._pipeline.announce(replace(change, seq=end.seq))
        if not self.halted:  # else the position stays where it is: the next greeting asks again
            for position in (end, *self._later):
                self._pipeline.watermark.mark(position)
        self._later.clear()

    def _saved(self, result: Saved) -> None:
        self._saving = None
        if result.position is not None:
            self._position = result.position
            if self.phase is Phase.SYNCING:
                self._messages.append(Ack(result.position.seq))

    def _advance(self) -> None:
        """Save the newest reached position; one Save at a time."""
        if self._saving is None and not self.halted:
            reached = self._pipeline.watermark.reached()
            if reached is not None and reached != self._position:
                self._saving = reached
                self._effects.append(Save(self._hub, reached))

    def _ask(self, now: float) -> bool:
        """Send the queries that fit; true if one of them needed no asking: it was pushed."""
        served = False
        for get in self._requests.take():
            unasked = []
            for query in get.queries:
                pushed = self._pushed.pop(query, None) if isinstance(query, HashQuery) else None
                if pushed is None:
                    unasked.append(query)
                else:
                    self._answer(pushed, now)
                    served = True
            if unasked:
                self._messages.append(replace(get, queries=tuple(unasked)))
        return served
