"""The hub daemon: a publisher that feeds the announcement log, and a server that hands it out."""

from __future__ import annotations

import asyncio
import hmac
import http
import os
import ssl
from collections.abc import AsyncIterator, Callable, Coroutine
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

from websockets.asyncio.server import Server, ServerConnection
from websockets.asyncio.server import serve as serve_websockets
from websockets.http11 import Request, Response

from protocol.errors import Code, ProtocolError
from protocol.messages import Goodbye, Position
from pyzsync_daemon.budget import Budget
from pyzsync_daemon.config import HubSettings
from pyzsync_daemon.errors import CannotListen, DaemonError
from pyzsync_daemon.files.lock import try_lock
from pyzsync_daemon.files.root import Root
from pyzsync_daemon.files.trees import TreeStore
from pyzsync_daemon.hub.connection import Connection, Services
from pyzsync_daemon.hub.frames import FrameCache
from pyzsync_daemon.hub.ignorefile import read_ignore_file
from pyzsync_daemon.hub.index import HubIndex
from pyzsync_daemon.hub.log import AnnounceLog, Cursor, Page
from pyzsync_daemon.hub.publisher import Publisher
from pyzsync_daemon.hub.publishing import PublisherSettings
from pyzsync_daemon.hub.records import Batch
from pyzsync_daemon.hub.session import HubFacts
from pyzsync_daemon.hub.source import BlockSource
from pyzsync_daemon.transport import AGENT, WEBSOCKET, bearer

__all__ = ["serve"]

SERVE_THREADS: Final = 2  # reading, verifying and compressing: one a core of a small machine
LOCK: Final = "lock.state"  # in the state; a client that is given the same one takes it too
ONE_VIEW: Final = b""  # without grants every client sees the whole tree


class StateBusy(DaemonError):
    """Another hub, or a client, works in the state directory ``state``."""

    hint = "stop the other one, or give this hub a state directory of its own with --state"

    def __init__(self, state: Path) -> None:
        super().__init__(state)
        self.state = state

    def __str__(self) -> str:
        return f"another hub or client is at work in {self.state}"


async def serve(
    settings: HubSettings, *, stop: asyncio.Event, on_listening: Callable[[str], None]
) -> None:
    """Publish ``settings.root`` until ``stop`` is set, then drain.

    ``on_listening`` gets the URL once clients are served, which is after the first scan. Raises
    ``DaemonError`` or ``OSError`` when root, state or address cannot be used, or what the publisher
    raised.
    """
    async with _open(settings) as hub:
        await hub.run(stop, on_listening)


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
        ):
            yield Hub(settings, disk, Lanes(serving, log, deltas))
    finally:
        await asyncio.to_thread(disk.opened.close)


@dataclass(frozen=True, slots=True)
class Disk:
    """What a hub has on disk."""

    root: Root
    index: HubIndex
    store: TreeStore
    ignore: list[str]
    opened: ExitStack

    @classmethod
    def open(cls, settings: HubSettings) -> Disk:
        """Open it, for this process alone. Raises ``DaemonError`` or ``OSError``."""
        state = settings.state_dir
        with ExitStack() as stack:
            root = stack.enter_context(Root(settings.root))
            ignore = read_ignore_file(root)
            state.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = try_lock(stack.enter_context(Root(state)), LOCK)
            if lock is None:
                raise StateBusy(state)
            stack.callback(os.close, lock)
            index = HubIndex(state / "hub.sqlite", identity=settings.identity)
            stack.callback(index.close)
            store = TreeStore(state / "trees")
            opened = stack.pop_all()
        return cls(root, index, store, ignore, opened)


class Lanes(NamedTuple):
    """Threads by what they do: answers, announcements, and searches for deltas."""

    serving: Executor
    log: Executor
    deltas: Executor


class Hub:
    """Who is connected, and what they share."""

    def __init__(
        self,
        settings: HubSettings,
        disk: Disk,
        lanes: Lanes,
    ) -> None:
        self._settings = settings
        self._loop = asyncio.get_running_loop()
        self._log_thread = lanes.log
        self._connections: dict[Connection, asyncio.Future[None]] = {}
        self._draining = False
        root, index, store = disk.root, disk.index, disk.store
        self._index = index
        publishing = _publishing(settings, disk.ignore)
        self._publisher = Publisher(root, index, store, publishing, self._published)
        source = BlockSource(root, index, store, on_stale=self._stale)
        self._log = AnnounceLog(index, store, source.deltas)
        cache = FrameCache(settings.cache_bytes, lanes.serving, source.answer, lanes.deltas)
        self._services = Services(
            facts=HubFacts(AGENT, index.identity, ONE_VIEW, settings.requests),
            start=self._start,
            follow=self._follow,
            answer=cache.get,
            budget=Budget(settings.inflight_bytes),
            send_timeout=settings.send_timeout_s,
        )
        self._authorization = bearer(settings.secret()).encode() if settings.has_token else b""

    async def run(self, stop: asyncio.Event, on_listening: Callable[[str], None]) -> None:
        """Publish and serve; ends when ``stop`` is set or the publisher fails."""
        publishing = asyncio.create_task(self._publisher.run(stop))
        try:
            await self._while_publishing(publishing, self._publisher.ready.wait())
            async with await self._listen() as server:
                on_listening(self._url(server))
                await self._while_publishing(publishing, stop.wait())
                await self._drain()
        finally:
            publishing.cancel()
            await asyncio.gather(publishing, return_exceptions=True)

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

    # --- clients -------------------------------------------------------------------------------

    async def _listen(self) -> Server:
        host, port = self._settings.address
        try:
            return await serve_websockets(
                self._handle,
                host,
                port,
                process_request=self._admit,
                origins=[None],  # a web page in somebody's browser is not a client
                server_header=None,
                ssl=_tls(self._settings),
                **WEBSOCKET,
            )
        except OSError as error:
            raise CannotListen(self._settings.listen, error.strerror or str(error)) from error

    def _admit(self, websocket: ServerConnection, request: Request) -> Response | None:
        """Refuse a handshake: without the token, or when there are too many clients already."""
        given = [each.encode(errors="replace") for each in request.headers.get_all("Authorization")]
        known = len(given) == 1 and hmac.compare_digest(given[0], self._authorization)
        if self._authorization and not known:
            return websocket.respond(http.HTTPStatus.UNAUTHORIZED, "a valid token is needed\n")
        if self._draining or len(self._connections) >= self._settings.max_clients:
            response = websocket.respond(http.HTTPStatus.SERVICE_UNAVAILABLE, "come back later\n")
            response.headers["Retry-After"] = str(max(1, round(self._settings.retry_after_s)))
            return response
        return None

    async def _handle(self, websocket: ServerConnection) -> None:
        connection = Connection(self._services, websocket)
        ended = self._connections[connection] = self._loop.create_future()
        try:
            await connection.run()
        finally:
            del self._connections[connection]
            ended.set_result(None)

    async def _drain(self) -> None:
        """Tell every client when to come back, and give them a bounded time to hear it."""
        self._draining = True
        wait = round(self._settings.retry_after_s * 1000)
        for connection in self._connections:
            connection.close(Goodbye(Code.DRAINING, "the hub stops", wait))
        if self._connections:
            await asyncio.wait(self._connections.values(), timeout=self._settings.drain_s)

    # --- what the connections share ------------------------------------------------------------

    async def _start(self, position: Position | None) -> tuple[Cursor, bool]:
        if not self._index.complete:
            wait = round(self._settings.retry_after_s * 1000)
            raise ProtocolError(Code.HALTED, "the first scan of the tree is not over", wait)
        return await self._loop.run_in_executor(self._log_thread, self._log.start, position)

    async def _follow(self, cursor: Cursor) -> Page:
        return await self._loop.run_in_executor(self._log_thread, self._log.follow, cursor)

    def _published(self, batch: Batch) -> None:
        for connection in self._connections:
            connection.published()

    def _stale(self, path: str) -> None:
        """A file is not what the index says (told by a serving thread): look at it again."""
        self._loop.call_soon_threadsafe(self._publisher.request_rescan, path)


def _publishing(settings: HubSettings, ignore: list[str]) -> PublisherSettings:
    return PublisherSettings(
        ignore=(*ignore, *settings.ignore),
        rescan_s=settings.rescan_s,
        settle_s=settings.settle_ms / 1000,
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
