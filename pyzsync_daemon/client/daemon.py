"""The client daemon: keeps a session connected to its hub and its effects running."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace
from typing import Any

import structlog

from protocol.errors import Code, ProtocolError
from protocol.messages import Goodbye, Message
from pyzsync_daemon.client.backoff import Backoff
from pyzsync_daemon.client.effects import Effect, Result
from pyzsync_daemon.client.interfaces import Bench, Done, Observer, Running, Socket, Work
from pyzsync_daemon.client.link import Busy, Decode, Link, open_link
from pyzsync_daemon.client.replica import WorkbenchSettings
from pyzsync_daemon.client.report import Report, Summary
from pyzsync_daemon.client.runner import Runner
from pyzsync_daemon.client.session import ClientSession
from pyzsync_daemon.client.workbench import Workbench
from pyzsync_daemon.config import ClientSettings
from pyzsync_daemon.errors import HubRefused, HubUnreachable, NotUpToDate
from pyzsync_daemon.progress import Feed
from pyzsync_daemon.transport import AGENT, decode

__all__ = ["Summary", "follow"]

STOOD_S = 30.0  # a connection that told its position and stood as long was of use


async def follow(
    settings: ClientSettings, *, once: bool, progress: Feed, stop: asyncio.Event
) -> Summary:
    """Keep the replica level with the hub until ``stop`` is set; with ``once`` until it is level.

    Raises ``HubRefused``; with ``once`` also ``HubUnreachable`` and ``NotUpToDate``.
    """
    began = time.monotonic()
    workbench = await asyncio.to_thread(_open, settings)
    try:
        report = Report(progress, settings.hub)
        await ClientDaemon(settings, workbench, report, once=once).run(stop)
    finally:
        await asyncio.to_thread(workbench.close)
    return replace(report.summary, seconds=time.monotonic() - began)


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
    for reason in workbench.unrecovered:
        structlog.get_logger().error("not recovered, tried again at the next start", reason=reason)
    return workbench


class ClientDaemon:
    """One replica, its session and the connection it has at the moment.

    ``runner`` makes what runs the effects, ``connect`` a connection (it raises as ``open_link``);
    ``decode`` reads frames.
    """

    def __init__(
        self,
        settings: ClientSettings,
        workbench: Bench,
        report: Observer,
        *,
        once: bool,
        runner: Callable[[Work, Done], Running] = Runner,
        connect: Callable[[ClientSettings], Awaitable[Socket]] = open_link,
        decode: Decode = decode,
    ) -> None:
        self._report = report
        self._settings = settings
        self._connect = connect
        self._decode = decode
        self._once = once
        self._session = ClientSession(
            AGENT,
            b"" if settings.accept_new_hub else workbench.hub,
            workbench.position,
            settings.inflight_bytes,
            settings.requests,
            workbench.ahead,
        )
        self._runner = runner(workbench.run, self._completed)
        self._backoff = Backoff(settings.backoff_min_s, settings.backoff_max_s, random.uniform)
        self._link: Link | None = None
        self._stood = False  # the connection was of use
        self._level = asyncio.Event()  # set when the session has settled
        self._alarm: asyncio.TimerHandle | None = None
        self._woken_at: float | None = None  # when the alarm rings
        self._pumping: asyncio.Handle | None = None  # it will be pumped in this turn of the loop
        self._log = structlog.get_logger().bind(hub=settings.hub)

    @property
    def received(self) -> int:
        """Bytes of frames that have come over the connection that stands."""
        return self._link.received if self._link is not None else 0

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
        websocket = await self._connect(self._settings)
        self._stood, opened = False, time.monotonic()
        self._link = Link(websocket, self._received, self._decode)
        try:
            self._session.connected()
            self._pump()
            await self._link.run()
            self._stood |= self._session.current and time.monotonic() - opened >= STOOD_S
            return self._part()
        except ProtocolError as error:
            if error.code in (Code.WRONG_HUB, Code.UNSUPPORTED_PROTOCOL):
                raise HubRefused(self._settings.hub, error.detail, error.code.advice) from error
            self._log.error("hub misbehaved", reason=str(error))
            return 0.0
        finally:
            self._report.link_closed(self._link.received, self._link.sent)
            self._link = None
            self._session.lost()
            self._pump()

    def _part(self) -> float:
        """A connection has ended; only one that was of use lets the next be tried at once."""
        goodbye = self._session.goodbye or Goodbye(Code.NORMAL)
        if goodbye.code in (Code.NORMAL, Code.DRAINING):
            if self._stood:
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

    def _received(self, messages: tuple[Message, ...]) -> None:
        now = time.monotonic()
        for message in messages:
            self._session.receive(message, now)
            self._report.received(message, now)
        if self._pumping is None:  # once for all frames that are here already
            self._pumping = asyncio.get_running_loop().call_soon(self._guard, self._pump)

    def _completed(self, results: list[tuple[Effect, Result]]) -> None:
        now = time.monotonic()
        for effect, result in results:
            self._session.complete(effect, result, now)
            self._report.completed(effect, result, now)
        self._guard(self._pump)

    def _guard(self, step: Callable[[], None]) -> None:
        """Do what nobody above would catch: the hub's fault ends the connection, ours all."""
        try:
            step()
        except Exception as error:
            if isinstance(error, ProtocolError) and self._link is not None:
                self._link.fail(error)
            elif not self._runner.failed.done():
                self._runner.failed.set_exception(error)

    def _pump(self) -> None:
        """Send and start whatever the session wants now; ask to be woken when it wants more."""
        if self._pumping is not None:
            self._pumping.cancel()
            self._pumping = None
        now = time.monotonic()
        messages, effects = self._session.take(now)
        if self._link is not None:
            self._link.send(messages)
        self._runner.start(effects)
        self._wake_at(self._session.wake_at(), now)
        self._report.problems(self._session.problems)
        if self._session.settled:
            self._report.settled()
            self._level.set()
            self._stood = True
        else:
            self._level.clear()

    def _wake_at(self, at: float | None, now: float) -> None:
        """Have the session pumped at a time; most of what happens does not change it."""
        if at == self._woken_at:
            return
        if self._alarm is not None:
            self._alarm.cancel()
        loop = asyncio.get_running_loop()
        self._alarm = None if at is None else loop.call_later(at - now, self._guard, self._wake)
        self._woken_at = at

    def _wake(self) -> None:
        self._alarm = self._woken_at = None
        self._pump()

    # --- the end -------------------------------------------------------------------------------

    async def _end(self, tasks: Iterable[asyncio.Task[Any]]) -> None:
        """Stop in order: no new effect, the running ones to their end, then the connection."""
        for handle in (self._alarm, self._pumping):
            if handle is not None:
                handle.cancel()
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
