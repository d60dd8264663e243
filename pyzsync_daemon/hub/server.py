"""The hub daemon: a publisher that feeds the announcement log, and a server that hands it out."""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import AsyncIterator, Callable, Coroutine
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import partial
from typing import Final, NamedTuple

from websockets.asyncio.server import Server
from websockets.asyncio.server import serve as serve_websockets

from protocol.errors import Code, ProtocolError
from protocol.messages import Position
from pyzsync_daemon.budget import Budget
from pyzsync_daemon.config import HubSettings
from pyzsync_daemon.errors import CannotListen
from pyzsync_daemon.flights import Flights
from pyzsync_daemon.hub.connection import Services
from pyzsync_daemon.hub.counters import Counters, Traffic
from pyzsync_daemon.hub.disk import Disk
from pyzsync_daemon.hub.fleet import Fleet
from pyzsync_daemon.hub.frames import FrameCache, keep_answers
from pyzsync_daemon.hub.log import AnnounceLog, Cursor, Page, Place
from pyzsync_daemon.hub.publisher import Publisher
from pyzsync_daemon.hub.publishing import PublisherSettings
from pyzsync_daemon.hub.records import Batch
from pyzsync_daemon.hub.session import HubFacts
from pyzsync_daemon.hub.socket import Socket
from pyzsync_daemon.hub.source import BlockSource
from pyzsync_daemon.transport import AGENT, WEBSOCKET

__all__ = ["serve"]

SERVE_THREADS: Final = 2  # reading, verifying and compressing: one a core of a small machine
ONE_VIEW: Final = b""  # without grants every client sees the whole tree


async def serve(
    settings: HubSettings,
    *,
    stop: asyncio.Event,
    on_listening: Callable[[str], None],
    count: asyncio.Event | None = None,
) -> None:
    """Publish ``settings.root`` until ``stop`` is set, then drain.

    ``on_listening`` gets the URL once clients are served, which is after the first scan. Whenever
    ``count`` is set the hub clears it and logs its counters. Raises ``DaemonError`` or ``OSError``
    when root, state or address cannot be used, or what the publisher raised.
    """
    async with _open(settings) as hub:
        await hub.run(stop, count or asyncio.Event(), on_listening)


@asynccontextmanager
async def _open(settings: HubSettings) -> AsyncIterator[Hub]:
    """Everything on disk, opened in a thread and closed at the end."""
    disk = await asyncio.to_thread(Disk.open, settings)
    try:
        # Announcements have a thread of their own: news does not queue behind block sets.
        with (
            ThreadPoolExecutor(SERVE_THREADS, "serve") as serving,
            ThreadPoolExecutor(1, "log") as log,
            ThreadPoolExecutor(1, "delta") as deltas,  # a search of gigabytes holds up no answer
            ThreadPoolExecutor(os.cpu_count(), "core") as cores,
        ):
            yield Hub(settings, disk, Lanes(serving, log, deltas, cores))
    finally:
        await asyncio.to_thread(disk.opened.close)


class Lanes(NamedTuple):
    """Threads by what they do: answers, announcements, searches for deltas; and one for each core,
    among which the others share out passes over files."""

    serving: Executor
    log: Executor
    deltas: Executor
    cores: Executor


class Hub:
    """A publisher, a fleet of clients, and what they share."""

    def __init__(self, settings: HubSettings, disk: Disk, lanes: Lanes) -> None:
        self._settings = settings
        self._loop = asyncio.get_running_loop()
        self._serving, self._log_thread = lanes.serving, lanes.log
        root, index, store = disk.root, disk.index, disk.store
        self._index = index
        publishing = _publishing(settings, disk.ignore)
        self._publisher = Publisher(
            root, index, store, publishing, self._published, cores=lanes.cores
        )
        self._kept = keep_answers(settings.cache_bytes)
        self._source = BlockSource(root, index, store, self._kept, on_stale=self._stale)
        self._log = AnnounceLog(index, store, self._source.deltas)
        self._pages: Flights[Place, Page] = Flights()
        self._cache = FrameCache(self._kept, lanes.serving, self._source.answers, lanes.deltas)
        # A quarter is for news; more bytes than that only follow where clients are slow.
        self._news = Budget(max(1, settings.inflight_bytes // 4))
        self._answers = Budget(max(1, settings.inflight_bytes - settings.inflight_bytes // 4))
        self._traffic = Traffic()
        services = Services(
            facts=HubFacts(AGENT, index.identity, ONE_VIEW, settings.requests),
            start=self._start,
            follow=self._follow,
            answer=self._cache.get_all,
            news=self._news,
            answers=self._answers,
            traffic=self._traffic,
            send_timeout=settings.send_timeout_s,
        )
        self._fleet = Fleet(services, settings)

    async def run(
        self, stop: asyncio.Event, count: asyncio.Event, on_listening: Callable[[str], None]
    ) -> None:
        """Publish and serve; ends when ``stop`` is set or the publisher fails."""
        publishing = asyncio.create_task(self._publisher.run(stop))
        counting = asyncio.create_task(self._keep_counting(count))
        telling = asyncio.create_task(self._fleet.keep_telling())
        try:
            await self._while_publishing(publishing, self._publisher.ready.wait())
            async with await self._listen() as server:
                on_listening(self._url(server))
                await self._while_publishing(publishing, stop.wait())
                await self._fleet.drain()
        finally:
            tasks = (publishing, counting, telling)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def counters(self) -> Counters:
        """What was done so far."""
        publisher, source = self._publisher, self._source
        cache, traffic = self._cache, self._traffic
        return Counters(
            clients=len(self._fleet),
            behind=self._fleet.behind(self._index.position().seq),
            hash_passes=publisher.hashed.count,
            hashed_bytes=publisher.hashed.bytes,
            reads=source.leaves.reads.count,
            read_bytes=source.leaves.reads.bytes,
            searches=source.deltas.searched.count,
            encodes=source.encoded,
            cache_hits=cache.hits,
            cache_misses=cache.misses,
            coalesced=cache.coalesced,
            deltas_refused=cache.refused,
            cache_bytes=self._kept.bytes,
            pages=self._log.made,
            bytes_out=traffic.sent,
            frames_out=traffic.frames,
            inflight_bytes=self._news.held + self._answers.held,
            pushes_dropped=traffic.pushes_dropped,
            slow_cut=traffic.slow_cut,
            refused=self._fleet.refused,
        )

    async def _keep_counting(self, count: asyncio.Event) -> None:
        while True:
            await count.wait()
            count.clear()
            self.counters().log()

    async def _while_publishing(
        self, publishing: asyncio.Task[None], what: Coroutine[None, None, object]
    ) -> None:
        """Wait for ``what``; a publisher that fails meanwhile fails the hub."""
        waiting = asyncio.create_task(what)
        try:
            await asyncio.wait([publishing, waiting], return_when=asyncio.FIRST_COMPLETED)
            if publishing.done():
                publishing.result()
        finally:
            waiting.cancel()

    def _url(self, server: Server) -> str:
        host, port = next(iter(server.sockets)).getsockname()[:2]
        scheme = "wss" if self._settings.tls_cert else "ws"
        return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"

    async def _listen(self) -> Server:
        host, port = self._settings.address
        try:
            return await serve_websockets(
                self._fleet.handle,  # type: ignore[arg-type]  # of a Socket, which it makes
                host,
                port,
                create_connection=Socket,
                process_request=self._fleet.admit,
                origins=[None],  # a web page in somebody's browser is not a client
                server_header=None,
                ssl=_tls(self._settings),
                **WEBSOCKET | {"ping_timeout": self._settings.send_timeout_s},
            )
        except OSError as error:
            raise CannotListen(self._settings.listen, error.strerror or str(error)) from error

    # --- what the connections share ------------------------------------------------------------

    async def _start(self, position: Position | None) -> tuple[Cursor, bool]:
        if not self._index.complete:
            wait = round(self._settings.retry_after_s * 1000)
            raise ProtocolError(Code.HALTED, "the first scan of the tree is not over", wait)
        return await self._loop.run_in_executor(self._log_thread, self._log.start, position)

    async def _follow(self, cursor: Cursor, bare: bool) -> Page:
        """A page that is there costs no thread; one that is not is made once."""
        place = self._log.place(cursor, bare=bare)
        return self._log.known(place) or await self._pages.join(place, partial(self._make, place))

    def _make(self, place: Place) -> asyncio.Future[Page]:
        return self._loop.run_in_executor(self._log_thread, self._log.page, place)

    def _published(self, batch: Batch) -> None:
        self._fleet.published(batch)
        self._loop.run_in_executor(self._serving, self._forget, batch)

    def _forget(self, batch: Batch) -> None:
        """Answers for versions that no path has any more are of use to nobody, or soon will be."""
        replaced = {change.follows for change in batch.changes if change.follows}
        for version in replaced - self._index.in_use(replaced):
            self._kept.drop(version)

    def _stale(self, path: str) -> None:
        """A file is not what the index says (told by a serving thread): look at it again."""
        self._loop.call_soon_threadsafe(self._publisher.request_rescan, path)


def _publishing(settings: HubSettings, ignore: list[str]) -> PublisherSettings:
    return PublisherSettings(
        ignore=(*ignore, *settings.ignore),
        rescan_s=settings.rescan_s,
        settle_s=settings.settle_ms / 1000,
        older_trees_bytes=settings.older_trees_bytes,
        deletion_share=settings.deletion_share,
        deletion_floor=settings.deletion_floor,
        allow_mass_delete=settings.allow_mass_delete,
    )


def _tls(settings: HubSettings) -> ssl.SSLContext | None:
    if settings.tls_cert is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(settings.tls_cert, settings.tls_key)
    return context
