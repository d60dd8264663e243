"""What a client does when, without doing it: messages and results in, messages and effects out.

The session outlives connections: transfers go on where they were when the hub is back.

    phase       accepts from the hub                       leaves by
    ---------   ----------------------------------------   -------------------------
    OFFLINE     nothing                                    connected() -> GREETING
    GREETING    Welcome, Goodbye                           Welcome     -> SYNCING
    SYNCING     Announce, every answer, Goodbye            lost()      -> OFFLINE
    PARTING     the same, and pays no attention            lost()      -> OFFLINE

A hub that was restored from a copy may resume a log that lacks what this replica has. All beyond
the saved position has to be named before one comes; else the session parts, for a snapshot.

Nothing here reads a clock or a disk; ``now`` is in seconds of any steady clock.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from enum import Enum

from protocol.errors import Code, ProtocolError, UnexpectedMessage
from protocol.limits import MAX_REQUESTS, PROTOCOL
from protocol.messages import (
    Announce,
    Blocks,
    Change,
    Delta,
    Failed,
    Goodbye,
    Hashlist,
    Hello,
    Kind,
    Message,
    Position,
    Published,
    Welcome,
)
from pyzsync_daemon.client.effects import Audit, Audited, Effect, Pruned, Result, Saved
from pyzsync_daemon.client.ledger import Ledger
from pyzsync_daemon.client.pipeline import Pipeline
from pyzsync_daemon.client.snapshot import Snapshot

EVERYTHING = "."  # stands in ``problems`` for the whole replica; no entry has this path


class Phase(Enum):
    """Where the connection is."""

    OFFLINE = "offline"
    GREETING = "greeting"
    SYNCING = "syncing"
    PARTING = "parting"


ACCEPTS: dict[Phase, tuple[type, ...]] = {
    Phase.OFFLINE: (),
    Phase.GREETING: (Welcome, Goodbye),
    Phase.SYNCING: (Announce, Hashlist, Blocks, Delta, Published, Failed, Goodbye),
}
ACCEPTS[Phase.PARTING] = ACCEPTS[Phase.SYNCING]


class ClientSession:
    """One replica following one hub, whose identity is ``hub`` (empty: any, at first).

    Answers take at most ``inflight_bytes``, and the queries that wait for them are at most
    ``max_requests`` and what the hub allows.
    """

    def __init__(
        self,
        agent: str,
        hub: bytes,
        position: Position | None,
        inflight_bytes: int,
        max_requests: int = MAX_REQUESTS,
        ahead: Mapping[str, int] | None = None,
    ) -> None:
        self.phase = Phase.OFFLINE
        self.goodbye: Goodbye | None = None
        self._agent = agent
        self._max_requests = max_requests
        self._ledger = Ledger(hub, position, ahead)
        self._pipeline = Pipeline(inflight_bytes)
        self._board = self._pipeline.board
        self._messages: list[Message] = []
        self._effects: list[Effect] = []
        self._snapshot: Snapshot | None = None
        self._halted = ""  # the reason why deletions are held back
        self._unaudited = ""  # the reason why the last audit could not compare
        self._deletions: dict[str, Change] = {}  # announced since the last position
        self.current = False  # the hub has told all it had to tell, since the greeting
        self._audited: set[str] | None = None  # while an audit runs: paths it may not speak of

    # --- in ------------------------------------------------------------------------------------

    def connected(self) -> None:
        """A connection stands: greet the hub."""
        self.phase = Phase.GREETING
        self.goodbye = None
        known = self._ledger.hub, self._ledger.position
        self._ledger.greet(self._board.stages.beyond(self.position))
        self._messages.append(Hello((PROTOCOL,), (), self._agent, *known))

    def lost(self) -> None:
        """The connection is gone. What was announced and not applied is announced again."""
        self.phase = Phase.OFFLINE
        self._messages.clear()
        self._pipeline.lost()
        self.current = False
        self._snapshot = None
        self._deletions.clear()

    def receive(self, message: Message, now: float) -> None:
        """A message has come. Raises ``ProtocolError`` when the conversation cannot go on."""
        if not isinstance(message, ACCEPTS[self.phase]):
            raise UnexpectedMessage(self.phase.value, type(message).__name__)
        if self.phase is Phase.PARTING:
            return
        match message:
            case Welcome():
                self._welcome(message)
            case Announce():
                self._announce(message, now)
            case Hashlist() | Blocks() | Delta() | Published() | Failed():
                self._pipeline.answer(message, now)
            case Goodbye():
                self.goodbye = message

    def audit(self) -> None:
        """Compare the replica with its records now."""
        if self._audited is None:
            self._audited = set(self._board.stages.paths())
            self._effects.append(Audit())

    def complete(self, effect: Effect, result: Result, now: float) -> None:
        """An effect has ended."""
        match result:
            case Saved():
                self._ledger.saved(result, now)
            case Pruned():
                self._pruned(effect, result)
            case Audited():
                self._redo(result)
            case _:
                self._ledger.completed(result)
                self._pipeline.complete(effect, result, now)

    # --- out -----------------------------------------------------------------------------------

    def take(self, now: float) -> tuple[list[Message], list[Effect]]:
        """The messages to send and the effects to run, both in order."""
        gets, effects = self._pipeline.take(now)
        self._messages += gets
        self._effects += effects
        self._advance()
        if self.phase is Phase.SYNCING and (ack := self._ledger.acknowledge(now)):
            self._messages.append(ack)
        messages, self._messages = self._messages, []
        effects, self._effects = self._effects, []
        return messages, effects

    def wake_at(self) -> float | None:
        """When ``take`` has something new by itself."""
        times = (self._board.wake_at(), self._ledger.ack_at)
        return min((at for at in times if at is not None), default=None)

    @property
    def settled(self) -> bool:
        """The replica shows everything the hub has announced, but for ``problems``."""
        return (
            self.current
            and self._snapshot is None
            and self._audited is None
            and not self._deletions
            and not self._ledger.saving
            and self._board.idle
        )

    @property
    def problems(self) -> dict[str, str]:
        """Paths that are not as the hub has them, and why."""
        problems = self._board.problems
        general = "; ".join(reason for reason in (self._halted, self._unaudited) if reason)
        return {EVERYTHING: general, **problems} if general else problems

    @property
    def position(self) -> Position | None:
        """How far the replica is known to follow."""
        return self._ledger.position

    # --- the hub's messages --------------------------------------------------------------------

    def _welcome(self, message: Welcome) -> None:
        if message.protocol != PROTOCOL:
            raise ProtocolError(
                Code.UNSUPPORTED_PROTOCOL,
                f"this client speaks protocol {PROTOCOL}, the hub {message.protocol}",
            )
        self._ledger.meet(message.hub)
        self.phase = Phase.SYNCING
        self._pipeline.connected(min(message.requests, self._max_requests))
        if message.resumed:
            self._halted = ""
        else:
            self._ledger.forget()
            self._snapshot = Snapshot()
            self._board.forget_loose()

    def _announce(self, message: Announce, now: float) -> None:
        snapshot = self._snapshot
        telling = snapshot is not None and not snapshot.complete
        if message.snapshot and not telling:
            raise UnexpectedMessage("no snapshot is being told", "Announce of a snapshot")
        if telling and not message.snapshot:
            raise UnexpectedMessage("a snapshot is being told", "Announce of news")
        for change in message.changes:
            if snapshot is not None:
                snapshot.named.add(change.path)
            self._ledger.unnamed.discard(change.path)
            self._deletions.pop(change.path, None)
            if change.kind is Kind.ABSENT:
                self._deletions[change.path] = change
            else:
                self._begin(change)
        position = message.position
        if position is None:
            return
        if self._ledger.unnamed:
            self._part()
            return
        self.current = True
        self._ledger.told(now)
        # All that the hub had to tell is told: now the deletions can be judged as a whole.
        for change in self._deletions.values():
            self._begin(change)
        self._deletions.clear()
        if snapshot is None:
            self._board.watermark.mark(position)
        elif snapshot.complete:
            snapshot.positions.append(position)
        else:
            self._ledger.began(position)
            self._effects.append(snapshot.close(position))
            # What is under way from an earlier connection has gone too, and may never be served.
            for path in sorted(self._board.stages.paths() - snapshot.named):
                self._begin(Change(position.seq, path, Kind.ABSENT))

    def _part(self) -> None:
        """The hub's log is not the one that this replica has followed."""
        self.phase = Phase.PARTING
        reason = f"{len(self._ledger.unnamed)} paths of this replica are not in the hub's log"
        self._ledger.forget()
        self._messages.append(Goodbye(Code.NORMAL, reason))

    def _begin(self, change: Change) -> None:
        if self._audited is not None:
            self._audited.add(change.path)
        self._board.enter(change)

    # --- results -------------------------------------------------------------------------------

    def _redo(self, result: Audited) -> None:
        """Do again what the disk no longer shows, but for paths that have moved on meanwhile."""
        skip, self._audited = self._audited or set(), None
        self._unaudited = result.error
        for change in result.changes:
            if change.path not in skip:
                self._board.enter(change)

    def _pruned(self, effect: Effect, result: Pruned) -> None:
        """Deletions that the snapshot implies, unless the path was announced again meanwhile."""
        snapshot = self._snapshot
        if snapshot is None or snapshot.prune is not effect:
            return  # the connection was lost meanwhile; the next snapshot decides
        self._snapshot = None
        self._halted = result.halted
        for change in result.changes:
            if change.path not in snapshot.named:
                self._begin(replace(change, seq=snapshot.positions[0].seq))
        if not self._halted:  # else the position stays where it is: the next greeting asks again
            for position in snapshot.positions:
                self._board.watermark.mark(position)

    def _advance(self) -> None:
        """Save what has become known of the hub and of how far the replica follows it."""
        if self._ledger.saving:
            return
        held = self._halted or self.phase is Phase.PARTING
        save = self._ledger.save(None if held else self._board.watermark.reached())
        if save is not None:
            self._effects.append(save)
