"""What a person and a script see of a client: log lines, progress, the summary."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import structlog

from protocol.messages import Announce, Message, Welcome
from pyzsync_daemon import logs
from pyzsync_daemon.client.effects import (
    Applied,
    Audited,
    Committed,
    Effect,
    Put,
    Result,
    Saved,
)
from pyzsync_daemon.progress import Feed

LINES: Final = 100  # of changes that are put in place together; of more there is one line


@dataclass(slots=True)
class Summary:
    """What a client did. Bytes: ``fetched`` as content, ``received`` and ``sent`` in frames."""

    applied: int = 0
    fetched: int = 0
    reused: int = 0
    received: int = 0
    sent: int = 0
    conflicts: int = 0
    seconds: float = 0.0


class Report:
    """Told of everything that happens. ``now``: seconds of any steady clock."""

    def __init__(self, progress: Feed, hub: str) -> None:
        self.summary = Summary()
        self._progress = progress
        self._heard: dict[str, float] = {}  # path -> when its change was announced
        self._fetched: dict[str, int] = {}  # path -> bytes of its blocks so far
        self._told: dict[str, str] = {}  # problems that were logged
        self._log = structlog.get_logger().bind(hub=hub)

    def received(self, message: Message, now: float) -> None:
        """The hub said something."""
        match message:
            case Welcome():
                self._log.info("connected", agent=message.agent, resumed=message.resumed)
            case Announce():
                self._heard.update((change.path, now) for change in message.changes)

    def completed(self, effect: Effect, result: Result, now: float) -> None:
        """Some disk work has ended."""
        match result:
            case Committed():
                self._committed(result.applied, now)
            case Saved(error=reason) | Audited(error=reason) if reason:
                self._log.error("disk failed", at=type(effect).__name__.lower(), reason=reason)
        if isinstance(effect, Put):
            self._staged(effect)

    def problems(self, problems: dict[str, str]) -> None:
        """Log each problem once, when it begins and when its reason changes."""
        if problems == self._told:
            return
        for path, reason in problems.items():
            if self._told.get(path) != reason:
                self._log.error("not applied", path=path, reason=reason)
        self._told = dict(problems)

    def settled(self) -> None:
        """Nothing is under way: what was announced and is not in place was there already."""
        self._heard.clear()

    def link_closed(self, received: int, sent: int) -> None:
        """A connection has ended after so many bytes."""
        self.summary.received += received
        self.summary.sent += sent

    def _staged(self, put: Put) -> None:
        path, size = put.change.path, put.change.size
        self._fetched[path] = min(self._fetched.get(path, 0) + put.size, size - 1)
        self._progress(path, self._fetched[path], size)

    def _committed(self, together: tuple[Applied, ...], now: float) -> None:
        """A line for each; what is one of many has a part in theirs, unless it met a local edit."""
        heard = [self._heard.pop(each.change.path, now) for each in together]
        many = len(together) > LINES
        for applied, since in zip(together, heard, strict=True):
            change = applied.change
            if self._fetched.pop(change.path, None) is not None:
                self._progress(change.path, change.size, change.size)
            if applied.conflict or not many:
                logs.applied(
                    path=change.path,
                    kind=change.kind.name.lower(),
                    size=change.size,
                    fetched=applied.fetched,
                    reused=applied.reused,
                    ms=(now - since) * 1000,
                    conflict=applied.conflict,
                )
        fetched = sum(each.fetched for each in together)
        reused = sum(each.reused for each in together)
        if many:
            size = sum(each.change.size for each in together)
            logs.applied_together(
                count=len(together),
                size=size,
                fetched=fetched,
                reused=reused,
                ms=(now - min(heard)) * 1000,
            )
        summary = self.summary
        summary.applied += len(together)
        summary.fetched += fetched
        summary.reused += reused
        summary.conflicts += sum(bool(each.conflict) for each in together)
