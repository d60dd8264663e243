"""What a load test is asked to do."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pyzsync_daemon.errors import DaemonError
from pyzsync_daemon.loadtest.changes import KINDS

HERDS = ("first", "restart", "missed")
"""Rounds in which all come at once: first syncs, after a restart, three changes late."""


class BadOptions(DaemonError):
    """Options that do not go together."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return self.reason


@dataclass(frozen=True, slots=True)
class Options:
    """``rounds`` of each kind in ``changes``, of ``change_size`` bytes, in a tree of ``files``
    files of ``file_size`` bytes, for ``clients`` clients in ``processes`` processes.

    ``slow`` clients do not read during the rounds; ``churn`` connections a second are cut. ``fair``
    is the size of a file that one client pulls over and over in every other round. ``daemons`` real
    client daemons run beside, and ``pulls`` of rsync are measured. ``patience`` bounds a round.
    """

    clients: int = 1000
    processes: int = 2
    files: int = 1
    file_size: int = 10_000_000
    changes: tuple[str, ...] = ("edit",)
    change_size: int = 100_000
    rounds: int = 3
    slow: int = 0
    churn: float = 0.0
    fair: int = 0
    tls: bool = False
    memory: bool = False
    bare: bool = True
    daemons: int = 0
    pulls: int = 0
    json: Path | None = None
    plot: Path | None = None
    patience: float = 60.0

    def check(self) -> None:
        """Raise ``BadOptions`` with the first thing that cannot be done."""
        known = (*KINDS, *HERDS)
        if wrong := [kind for kind in self.changes if kind not in known]:
            raise BadOptions(f"no such change: {wrong[0]}; there are {', '.join(known)} and all")
        if self.slow >= self.clients:
            raise BadOptions(f"{self.slow} of {self.clients} clients do not read: nobody is left")
        if self.fair and not self.memory:
            raise BadOptions("--fair needs --memory: every client holds the large file")
        if self.change_size > self.file_size:
            raise BadOptions("--change-size is more than --file-size")
