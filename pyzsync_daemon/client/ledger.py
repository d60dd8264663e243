"""Whom a replica follows, and how far: what is known, and what is being saved of it.

The hub's identity is pinned at the first contact, so that another hub at the same address does not
rewrite the tree. One ``Save`` runs at a time: a later one must not be overtaken by an earlier.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Set
from typing import Final

from protocol.errors import Code, ProtocolError
from protocol.messages import Ack, Change, Position
from pyzsync_daemon.client.effects import Committed, Planned, Prepared, Save, Saved, State

# Seconds from the announcement. A fleet that acknowledged at once would do so while the hub still
# tells the news to others; and what is saved meanwhile needs no acknowledgement of its own. Counted
# from when the hub told it, and not from when each was done: what comes close together costs the
# hub the least.
ACK_S: Final = 1.0


class Ledger:
    """``hub`` is the pinned identity (empty: none yet); ``position`` is what is saved.

    ``ahead`` has the seq of what was applied beyond it, by path: a hub whose log resumes at the
    position has to name all of that.
    """

    def __init__(
        self, hub: bytes, position: Position | None, ahead: Mapping[str, int] | None = None
    ) -> None:
        self.hub = hub
        self.position = position
        self.saving = False
        self.ack_at: float | None = None  # when the hub is to be told of the position
        self._told_at: float | None = None  # the first position since the last acknowledgement
        self.ahead = dict(ahead or {})
        self.unnamed: set[str] = set()  # paths that a log which goes on has yet to name
        self._pinned = True  # the identity is saved, or being saved
        self._void = False  # the saved position is of no use any more
        self._began: Position | None = None  # where a snapshot began: the first that can be saved

    def meet(self, hub: bytes) -> None:
        """A hub has said who it is. Raises ``ProtocolError`` (WRONG_HUB) if it is another one."""
        if not self.hub:
            self.hub, self._pinned = hub, False
        elif hub != self.hub:
            raise ProtocolError(
                Code.WRONG_HUB,
                f"this replica follows hub {self.hub.hex()[:16]}, "
                f"and hub {hub.hex()[:16]} answered",
            )

    def completed(self, result: Prepared | Planned | Committed) -> None:
        """An effect has ended; the disk has what it applied."""
        least = self.position or self._began
        if least is not None:
            beyond = (each for each in _applied(result) if each.seq > least.seq)
            self.ahead.update((change.path, change.seq) for change in beyond)

    def told(self, now: float) -> None:
        """The hub has told a position, which will be acknowledged."""
        self._told_at = now if self._told_at is None else self._told_at

    def greet(self, under_way: Set[str]) -> None:
        """The hub is told the position. A log that goes on from there has to name all that is
        beyond it here, also what a position covers that is saved before the hub answers."""
        self.unnamed = self.ahead.keys() | under_way
        self.ack_at = self._told_at = None

    def began(self, position: Position) -> None:
        """A snapshot is told, and began at ``position``: what is applied may be beyond that."""
        self._began = position

    def forget(self) -> None:
        """The log that the position speaks of is not the hub's: what follows is a snapshot."""
        self.unnamed = set()
        self._void = self._void or self.saving or self.position is not None
        self.position = self._began = None
        self.ahead.clear()

    def save(self, reached: Position | None) -> Save | None:
        """What there is to save, if anything; call it when nothing is being saved."""
        position = reached or self.position
        if position == self.position and self._pinned and not self._void:
            return None
        self._pinned = self.saving = True
        self._void = False
        return Save(self.hub, position)

    def saved(self, result: Saved, now: float) -> None:
        """It is on disk; or it is not, which costs no more than hearing some changes again.

        The next position that is reached brings the next try: a failing disk is not pressed.
        """
        self.saving = False
        if result.error or self._void:
            return
        self.position = reached = result.position
        if reached is not None:
            self.ahead = {path: seq for path, seq in self.ahead.items() if seq > reached.seq}
            if self.ack_at is None:
                self.ack_at = max(now, (now if self._told_at is None else self._told_at) + ACK_S)

    def acknowledge(self, now: float) -> Ack | None:
        """What the hub is to be told now."""
        if self.position is None or self.ack_at is None or now < self.ack_at:
            return None
        self.ack_at, self._told_at = None, None
        return Ack(self.position.seq)


def _applied(result: Prepared | Planned | Committed) -> Iterator[Change]:
    match result:
        case Prepared():
            yield from (each.change for each in result.outcomes if each.state is State.SATISFIED)
        case Committed():
            yield from (each.change for each in result.applied)
