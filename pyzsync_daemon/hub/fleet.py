"""Who is connected: lets clients in, serves them, tells them of news, and sees them off."""

from __future__ import annotations

import asyncio
import hmac
import http
from collections.abc import Sequence
from typing import Final

import structlog
from websockets.asyncio.server import ServerConnection
from websockets.http11 import Request, Response

from protocol.errors import Code
from protocol.limits import MAX_RETRY_AFTER
from protocol.messages import Goodbye
from pyzsync_daemon.config import HubSettings
from pyzsync_daemon.hub.connection import Connection, Services
from pyzsync_daemon.hub.log import Cursor, Live, Page
from pyzsync_daemon.hub.records import Batch
from pyzsync_daemon.hub.socket import Socket
from pyzsync_daemon.transport import WEBSOCKET, bearer

_log = structlog.get_logger(__name__)

# Clients that are sent a page in one turn of the loop, which then writes to their sockets: 4 MiB
# if the page is as large as a socket takes.
TURN: Final = 32

# Connections that have not been welcomed yet; a herd beyond that is told to come back, in turns.
ARRIVING: Final = 512
RETURNS: Final = 400  # clients a second that are asked back: a third of a core, without TLS

# Turns given out ahead, a minute of them; then the same are given once more. Nobody knows who asks:
# one who knocks all the time would else have the others wait for an hour.
TURNS: Final = 60 * RETURNS


class Fleet:
    """All connections of one hub. ``refused`` counts the handshakes that were turned away."""

    def __init__(self, services: Services, settings: HubSettings) -> None:
        self.refused = 0
        self._untold: Cursor | None = None  # where the log ended before the news
        self._news = asyncio.Event()
        self._services = services
        self._settings = settings
        self._authorization = bearer(settings.secret()).encode() if settings.has_token else b""
        self._connections: dict[Connection, asyncio.Future[None]] = {}
        self._arriving: set[Connection] = set()
        self._turn_at = 0.0
        self._draining = False

    def __len__(self) -> int:
        return len(self._connections)

    def behind(self, seq: int) -> int:
        """Clients that have not acknowledged every change up to ``seq``."""
        return sum(each.session.acknowledged < seq for each in self._connections)

    def admit(self, websocket: ServerConnection, request: Request) -> Response | None:
        """Refuse a handshake: without the token, or when there are too many clients already, or
        too many that arrive at the same time."""
        given = [each.encode(errors="replace") for each in request.headers.get_all("Authorization")]
        known = len(given) == 1 and hmac.compare_digest(given[0], self._authorization)
        response = None
        if self._authorization and not known:
            response = websocket.respond(http.HTTPStatus.UNAUTHORIZED, "a valid token is needed\n")
        elif self._draining or self._full():
            response = websocket.respond(http.HTTPStatus.SERVICE_UNAVAILABLE, "come back later\n")
            response.headers["Retry-After"] = str(max(1, round(self._turn())))
        self.refused += response is not None
        return response

    def _full(self) -> bool:
        if len(self._arriving) >= ARRIVING:
            self._arriving = {each for each in self._arriving if each.session.arriving}
        many = len(self._connections) >= self._settings.max_clients
        return many or len(self._arriving) >= ARRIVING

    def _turn(self) -> float:
        """Seconds until a client that is sent away should come back: each has a turn of its own."""
        now = asyncio.get_running_loop().time()
        first = now + self._settings.retry_after_s
        self._turn_at += 1 / RETURNS
        if not first <= self._turn_at <= first + TURNS / RETURNS:
            self._turn_at = first
        return self._turn_at - now

    async def handle(self, socket: Socket) -> None:
        """Serve one client to its end."""
        connection = Connection(self._services, socket)
        ended = self._connections[connection] = asyncio.get_running_loop().create_future()
        self._arriving.add(connection)
        try:
            await connection.run()
        finally:
            del self._connections[connection]
            self._arriving.discard(connection)
            ended.set_result(None)

    def published(self, batch: Batch) -> None:
        """The announcement log has grown."""
        self._untold = self._untold or Live(batch.previous.seq, closed=True)
        self._news.set()

    async def keep_telling(self) -> None:
        """Spread the news, for ever."""
        while True:
            await self._news.wait()
            self._news.clear()
            cursor, self._untold = self._untold, None
            try:
                while cursor is not None and self._connections:
                    cursor = await self._spread(cursor)
            except Exception as error:
                _log.error("news could not be spread at once", exc_info=error)
                for connection in self._connections:
                    connection.published()

    async def _spread(self, cursor: Cursor) -> Cursor | None:
        """Send the page at ``cursor``; returns the next place if there is more.

        Nearly all clients are level and idle, and get the very same frames: these go to their
        sockets right here. The others are woken, to go on from where they are at their own pace.
        """
        page = await self._services.follow(cursor, False)
        fits = sum(map(len, page.frames)) <= WEBSOCKET["write_limit"]
        room = self._services.news.max_bytes
        turn: list[Connection] = []
        for connection in tuple(self._connections):
            if fits and room > 0 and connection.takes(cursor):
                turn.append(connection)
            else:
                connection.published()
            if len(turn) == TURN:
                self._hand_out(turn, page)
                await asyncio.sleep(0)  # the loop writes
                room -= sum(each.unsent for each in turn)
                turn = []
        self._hand_out(turn, page)
        return page.cursor if page.more else None

    def _hand_out(self, turn: Sequence[Connection], page: Page) -> None:
        for connection in turn:
            connection.tell(page)
        for frame in page.frames:
            self._services.traffic.count(frame, len(turn))

    async def drain(self) -> None:
        """Tell every client when to come back, one after the other, and give them a bounded time
        to hear it."""
        self._draining = True
        for connection in self._connections:
            wait = min(round(self._turn() * 1000), MAX_RETRY_AFTER)
            connection.close(Goodbye(Code.DRAINING, "the hub stops", wait))
        if self._connections:
            await asyncio.wait(self._connections.values(), timeout=self._settings.drain_s)
