"""Whom a replica follows, and how far: what is known, and what is being saved of it.

The hub's identity is pinned at the first contact, so that another hub at the same address does not
rewrite the tree. One ``Save`` runs at a time: a later one must not be overtaken by an earlier.
"""

from __future__ import annotations

from protocol.errors import Code, ProtocolError
from protocol.messages import Position
from pyzsync_daemon.client.effects import Save, Saved


class Ledger:
    """``hub`` is the pinned identity (empty: none yet); ``position`` is what is saved."""

    def __init__(self, hub: bytes, position: Position | None) -> None:
        self.hub = hub
        self.position = position
        self.saving = False
        self._pinned = True  # the identity is saved, or being saved

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

    def save(self, reached: Position | None) -> Save | None:
        """What there is to save, if anything; call it when nothing is being saved."""
        position = reached or self.position
        if position == self.position and self._pinned:
            return None
        self._pinned = self.saving = True
        return Save(self.hub, position)

    def saved(self, result: Saved) -> None:
        """It is on disk; or it is not, which costs no more than hearing some changes again.

        The next position that is reached brings the next try: a failing disk is not pressed.
        """
        self.saving = False
        if not result.error:
            self.position = result.position
