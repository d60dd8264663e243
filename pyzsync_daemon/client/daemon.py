"""The client daemon: keeps a session connected to its hub and its effects running."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import structlog

from protocol.errors import Code, ProtocolError
from protocol.messages import Announce, Goodbye, Message, Welcome
from pyzsync_daemon import logs
from pyzsync_daemon.client.backoff import Backoff
from pyzsync_daemon.client.effects import Applied, Committed, Effect, Put, Result
from pyzsync_daemon.client.link import Busy, Link, open_link
from pyzsync_daemon.client.replica import WorkbenchSettings
from pyzsync_daemon.client.runner import Runner
from pyzsync_daemon.client.session import ClientSession, Phase
from pyzsync_daemon.client.workbench import Workbench
from pyzsync_daemon.config import ClientSettings
from pyzsync_daemon.errors import HubRefused, HubUnreachable, NotUpToDate
from pyzsync_daemon.progress import Feed
from pyzsync_daemon.transport import AGENT

__all__ = ["Summary", "follow"]


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


async def follow(
    settings: ClientSettings, *, once: bool, progress: Feed, stop: asyncio.Event
) -> Summary:
    """Keep the replica level with the hub until ``stop`` is set; with ``once`` until it is level.

    Raises ``HubRefused``; with ``once`` also ``HubUnreachable`` and ``NotUpToDate``.
    """
    began = time.monotonic()
    workbench = await asyncio.to_thread(_open, settings)
    try:
        daemon = ClientDaemon(settings, workbench, progress, once=once)
        await daemon.run(stop)
    finally:
        await asyncio.to_thread(workbench.close)
    daemon.summary.seconds = time.monotonic() - began
    return daemon.summary


def _open(settings: ClientSettings) -> Workbench:
    """Open the replica; whatever the last process left unfinished is mended first."""
    workbench = Workbench(
        settings.root,
        settings.state_dir,
        WorkbenchSettings(
            conflict=settings.conflict,
            mirror=settings.mirror,
            attic_bytes=settings.attic_bytes,
            deletion_share=settings.deletion_share,
            deletion_floor=settings.deletion_floor,
            allow_mass_delete=settings.allow_mass_delete,
        ),
    )
    for path in workbench.recovered:
        structlog.get_logger().warning("kept aside after a crash", path=path)
    return workbench


class ClientDaemon:
    """One replica, its session and the connection it has at the moment."""

    def __init__(
        self, settings: ClientSettings, workbench: Workbench, progress: Feed, *, once: bool
    ) -> None:
        self.summary = Summary()
        self._settings = settings
        self._progress = progress
        self._once = once
        self._session = ClientSession(
            AGENT,
            b"" if settings.accept_new_hub else workbench.hub,
            workbench.position,
            settings.inflight_bytes,
            settings.requests,
        )
        self._runner = Runner(workbench.run, self._completed)
        self._backoff = Backoff(settings.backoff_min_s, settings.backoff_max_s, random.uniform)
        self._link: Link | None = None
        self._level = asyncio.Event()  # set when the session has settled
        self._alarm: asyncio.TimerHandle | None = None
        self._heard: dict[str, float] = {}  # path -> when its change was announced
        self._fetched: dict[str, int] = {}  # path -> bytes of its blocks so far, for the progress
        self._told: dict[str, str] = {}  # problems that were logged
        self._log = structlog.get_logger().bind(hub=settings.hub)

    async def run(self, stop: asyncio.Event) -> None:
        """Until ``stop``, a defect, or (with ``once``) until the replica is level with the hub."""
        self._session.audit()
        self._pump()
        tasks = [
            asyncio.create_task(stop.wait()),
            asyncio.create_task(self._keep_connected()),
            asyncio.create_task(self._keep_audited()),
        ]
        if self._once:
            tasks.append(asyncio.create_task(self._level.wait()))
        waiting: set[asyncio.Future[Any]] = {*tasks, self._runner.failed}
        try:
            done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            for end in done:
                end.result()
            if self._once:
                self._check_level()
        finally:
            await self._end(tasks)

    # --- connection ----------------------------------------------------------------------------

    async def _keep_connected(self) -> None:
        while True:
            try:
                wait = await self._connect_once()
            except HubUnreachable as error:
                if self._once and not isinstance(error, Busy):
                    raise
                wait = error.retry_after if isinstance(error, Busy) else 0.0
                self._log.warning("hub unreachable", reason=error.reason)
            await asyncio.sleep(self._backoff.next(wait))

    async def _connect_once(self) -> float:
        """Serve one connection to its end; returns the seconds that the hub asks us to wait."""
        websocket = await open_link(self._settings)
        self._link = Link(websocket, self._received)
        try:
            self._session.connected()
            self._pump()
            await self._link.run()
            return self._part()
        except ProtocolError as error:
            if error.code in (Code.WRONG_HUB, Code.UNSUPPORTED_PROTOCOL):
                raise HubRefused(self._settings.hub, error.detail, error.code.advice) from error
            self._log.error("hub misbehaved", reason=str(error))
            return 0.0
        finally:
            self._count(self._link)
            self._link = None
            self._session.lost()
            self._pump()

    def _part(self) -> float:
        """A connection has ended; only one that went well lets the next be tried at once."""
        goodbye = self._session.goodbye or Goodbye(Code.NORMAL)
        if goodbye.code in (Code.NORMAL, Code.DRAINING):
            if self._session.phase is Phase.SYNCING:
                self._backoff.reset()
        elif not goodbye.code.retry:
            raise HubRefused(self._settings.hub, goodbye.detail, goodbye.code.advice)
        self._log.info("disconnected", code=goodbye.code.name, reason=goodbye.detail)
        return goodbye.retry_after_ms / 1000

    async def _keep_audited(self) -> None:
        while True:
            await asyncio.sleep(self._settings.audit_s)
            self._session.audit()
            self._pump()

    # --- events --------------------------------------------------------------------------------

    def _received(self, message: Message) -> None:
        now = time.monotonic()
        self._session.receive(message, now)
        match message:
            case Welcome():
                self._log.info("connected", agent=message.agent, resumed=message.resumed)
            case Announce():
                for change in message.changes:
                    self._heard[change.path] = now
        self._pump()

    def _completed(self, results: list[tuple[Effect, Result]]) -> None:
        now = time.monotonic()
        for effect, result in results:
            self._session.complete(effect, result, now)
            if isinstance(effect, Put):
                self._staged(effect)
            elif isinstance(result, Committed):
                for applied in result.applied:
                    self._applied(applied)
        self._pump()

    def _pump(self) -> None:
        """Send and start whatever the session wants now; ask to be woken when it wants more."""
        now = time.monotonic()
        messages, effects = self._session.take(now)
        if self._link is not None:
            self._link.send(messages)
        for effect in effects:
            self._runner.start(effect)
        if self._alarm is not None:
            self._alarm.cancel()
        wake_at = self._session.wake_at()
        loop = asyncio.get_running_loop()
        self._alarm = None if wake_at is None else loop.call_later(wake_at - now, self._pump)
        self._tell_problems()
        if self._session.settled:
            self._heard.clear()  # of changes that the disk showed already
            self._level.set()
        else:
            self._level.clear()

    # --- what the user sees --------------------------------------------------------------------

    def _staged(self, put: Put) -> None:
        path, size = put.change.path, put.change.size
        self._fetched[path] = min(self._fetched.get(path, 0) + put.size, size - 1)
        self._progress(path, self._fetched[path], size)

    def _applied(self, applied: Applied) -> None:
        change, now = applied.change, time.monotonic()
        if self._fetched.pop(change.path, None) is not None:
            self._progress(change.path, change.size, change.size)
        logs.applied(
            path=change.path,
            kind=change.kind.name.lower(),
            size=change.size,
            fetched=applied.fetched,
            reused=applied.reused,
            ms=(now - self._heard.pop(change.path, now)) * 1000,
            conflict=applied.conflict,
        )
        summary = self.summary
        summary.applied += 1
        summary.fetched += applied.fetched
        summary.reused += applied.reused
        summary.conflicts += bool(applied.conflict)

    def _tell_problems(self) -> None:
        """Log each problem once, when it begins and when its reason changes."""
        problems = self._session.problems
        if problems == self._told:
            return
        for path, reason in problems.items():
            if self._told.get(path) != reason:
                self._log.error("not applied", path=path, reason=reason)
        self._told = dict(problems)

    def _count(self, link: Link) -> None:
        self.summary.received += link.received
        self.summary.sent += link.sent

    # --- the end -------------------------------------------------------------------------------

    async def _end(self, tasks: Iterable[asyncio.Task[Any]]) -> None:
        """Stop in order: no new effect, the running ones to their end, then the connection."""
        if self._alarm is not None:
            self._alarm.cancel()
        await self._runner.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _check_level(self) -> None:
        problems = self._session.problems
        if not self._level.is_set():
            raise NotUpToDate(len(problems), "it was stopped before")
        if problems:
            path, reason = next(iter(problems.items()))
            raise NotUpToDate(len(problems), f"{len(problems)} not applied, first {path}: {reason}")
