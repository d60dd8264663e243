"""A snapshot on its way: what it has named, and which positions wait until it is pruned.

The hub names every live path; the last announcement carries the position at which the snapshot
began. What the hub once gave and did not name has gone: ``Prune`` finds it. The position counts
only when those deletions are known, and so do the positions that come meanwhile.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from protocol.messages import Position
from pyzsync_daemon.client.effects import Prune


@dataclass(slots=True, eq=False)
class Snapshot:
    """``named`` grows until the prune is done: what is announced meanwhile has not gone either."""

    named: set[str] = field(default_factory=set)
    positions: list[Position] = field(default_factory=list)
    prune: Prune | None = None

    def close(self, position: Position) -> Prune:
        """The last announcement has come; returns what to do now."""
        self.positions.append(position)
        self.prune = Prune(frozenset(self.named))
        return self.prune

    @property
    def complete(self) -> bool:
        """Everything was named; the prune is running."""
        return self.prune is not None
