"""What is measured of one simulated client: when it had what a round expects."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping

from protocol.messages import Change, Kind, Message
from pyzsync_daemon.client.effects import Committed, Effect, Prepared, Result, State

ABSENT = b"absent"
"""Stands for a path that has to be gone."""

Expected = Mapping[str, bytes]
"""The version that each path has to have."""


class Watch:
    """An observer of one client daemon. Times are in seconds of ``time.monotonic``.

    ``placed_at`` is when the replica last put something in place, if it tells.
    """

    def __init__(self, placed_at: Callable[[], float] = lambda: 0.0) -> None:
        self.level = asyncio.Event()  # nothing is under way
        self.received_bytes = 0  # over connections that have ended
        self.connections = 0  # that have ended
        self.trouble: dict[str, str] = {}
        self.done_at: float | None = None  # when the last expected path was in place
        self.heard_at: float | None = None  # when the last bytes for it had come
        self._last_heard: float | None = None
        self._missing: dict[str, bytes] = {}
        self._awaits_link = False
        self._placed_at = placed_at
        self._armed_at = 0.0
        self._after = 0  # connections that had ended by then
        self._done = asyncio.Event()

    def arm(self, expected: Expected) -> None:
        """From now on wait for these versions, all of which are still to come."""
        self._missing = dict(expected)
        self._armed_at = time.monotonic()
        self.done_at = self.heard_at = self._last_heard = None
        self._done.clear()

    def arm_for_link(self) -> None:
        """From now on wait until a new connection has brought the replica level."""
        self.arm({})
        self._awaits_link = True
        self._after = self.connections

    async def wait(self) -> None:
        """Until all that is expected is in place."""
        await self._done.wait()

    def heard(self) -> None:
        """A frame has come."""
        if self._missing:
            self._last_heard = time.monotonic()

    # --- what a daemon tells ----------------------------------------------------------------------

    def received(self, message: Message, now: float) -> None:
        """The hub said something, which counts when it leads to something."""

    def completed(self, effect: Effect, result: Result, now: float) -> None:
        """An effect has ended."""
        if not self._missing:
            return
        if isinstance(result, Committed):
            self._placed(each.change for each in result.applied)
        elif isinstance(result, Prepared):
            outcomes = result.outcomes
            self._placed(each.change for each in outcomes if each.state is State.SATISFIED)

    def problems(self, problems: dict[str, str]) -> None:
        """What is not as the hub has it."""
        self.trouble = problems

    def settled(self) -> None:
        """Nothing is under way."""
        self.level.set()
        if self._awaits_link and self.connections > self._after:
            self._awaits_link = False
            self._finish()

    def link_closed(self, received: int, sent: int) -> None:
        """A connection has ended."""
        self.received_bytes += received
        self.connections += 1
        self.level.clear()

    def _placed(self, changes: Iterable[Change]) -> None:
        for change in changes:
            version = ABSENT if change.kind is Kind.ABSENT else change.version
            if self._missing.get(change.path) == version:
                del self._missing[change.path]
        if not self._missing:
            self._finish()

    def _finish(self) -> None:
        placed_at = self._placed_at()
        self.done_at = placed_at if placed_at > self._armed_at else time.monotonic()
        self.heard_at = self._last_heard or self.done_at
        self._done.set()
