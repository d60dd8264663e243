"""What the publisher's log says, each thing once, and its status."""

from __future__ import annotations

from collections.abc import Collection, Iterable

import structlog

from pyzsync_daemon.hub.publishing import State, Status
from pyzsync_daemon.hub.records import Batch

_log = structlog.get_logger(__name__)


class Report:
    """The state, and the paths that cannot be announced."""

    def __init__(self) -> None:
        self.state = State.STARTING
        self._reason = ""
        self._problems: dict[str, str] = {}

    def status(self, *, watching: bool, entries: int, hashing: Iterable[str]) -> Status:
        """All of it at this moment."""
        problems = dict(self._problems)
        return Status(self.state, self._reason, watching, entries, tuple(hashing), problems)

    def announced(self, batch: Batch, seconds: float) -> None:
        """A line for each change; the first scan of a tree would be nothing but noise."""
        say = _log.debug if self.state is State.STARTING else _log.info
        milliseconds = round(1000 * seconds, 1)
        for change in batch.changes:
            kind = change.kind.name.lower()
            say("announced", path=change.path, kind=kind, size=change.size, ms=milliseconds)
            self._problems.pop(change.path, None)

    def problem(self, path: str, reason: str) -> None:
        """``path`` cannot be announced."""
        if self._problems.get(path) != reason:
            self._problems[path] = reason
            _log.warning("not announced", path=path, reason=reason)

    def only(self, paths: Collection[str]) -> None:
        """A scan of the whole tree found nothing amiss with any path but these."""
        self._problems = {path: why for path, why in self._problems.items() if path in paths}

    def reading(self, entries: int, hashing: Iterable[str]) -> None:
        """The tree is being read; ``entries`` are known by now."""
        if self.state is State.STARTING:
            _log.info("reading the tree", entries=entries, hashing=list(hashing))

    def first_scan_over(self, unread: int) -> None:
        """Clients are served from now on, without the paths that could not be read."""
        if unread:
            _log.warning("served without paths that cannot be read", paths=unread)

    def resuming(self) -> None:
        """The guard lets the tree pass: it is announced from now on."""
        self.state, self._reason = State.STARTING, ""

    def live(self, entries: int, seconds: float) -> None:
        """The tree is announced, for the first time or again."""
        if self.state is not State.LIVE:
            self.state = State.LIVE
            _log.info("tree announced", entries=entries, seconds=round(seconds, 3))

    def halted(self, reason: str) -> None:
        """Nothing is announced for now."""
        if self.state is not State.HALTED or self._reason != reason:
            self.state, self._reason = State.HALTED, reason
            _log.error("halted", reason=reason)
