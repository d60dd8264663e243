"""Who is connected: lets clients in, serves them, tells them of news, and sees them off."""

from __future__ import annotations

import asyncio
import hmac
import http

from websockets.asyncio.server import ServerConnection
from websockets.http11 import Request, Response

from protocol.errors import Code
from protocol.messages import Goodbye
from pyzsync_daemon.config import HubSettings
from pyzsync_daemon.hub.connection import Connection, Services
from pyzsync_daemon.transport import bearer


class Fleet:
    """All connections of one hub. ``refused`` counts the handshakes that were turned away."""

    def __init__(self, services: Services, settings: HubSettings) -> None:
        self.refused = 0
        self._services = services
        self._settings = settings
        self._authorization = bearer(settings.secret()).encode() if settings.has_token else b""
        self._connections: dict[Connection, asyncio.Future[None]] = {}
        self._draining = False

    def __len__(self) -> int:
        return len(self._connections)

    def behind(self, seq: int) -> int:
        """Clients that have not acknowledged every change up to ``seq``."""
        return sum(each.session.acknowledged < seq for each in self._connections)

    def admit(self, websocket: ServerConnection, request: Request) -> Response | None:
        """Refuse a handshake: without the token, or when there are too many clients already."""
        given = [each.encode(errors="replace") for each in request.headers.get_all("Authorization")]
        known = len(given) == 1 and hmac.compare_digest(given[0], self._authorization)
        response = None
        if self._authorization and not known:
            response = websocket.respond(http.HTTPStatus.UNAUTHORIZED, "a valid token is needed\n")
        elif self._draining or len(self._connections) >= self._settings.max_clients:
            response = websocket.respond(http.HTTPStatus.SERVICE_UNAVAILABLE, "come back later\n")
            response.headers["Retry-After"] = str(max(1, round(self._settings.retry_after_s)))
        self.refused += response is not None
        return response

    async def handle(self, websocket: ServerConnection) -> None:
        """Serve one client to its end."""
        connection = Connection(self._services, websocket)
        ended = self._connections[connection] = asyncio.get_running_loop().create_future()
        try:
            await connection.run()
        finally:
            del self._connections[connection]
            ended.set_result(None)

    def published(self) -> None:
        """The announcement log has grown."""
        for connection in self._connections:
            connection.published()

    async def drain(self) -> None:
        """Tell every client when to come back, and give them a bounded time to hear it."""
        self._draining = True
        wait = round(self._settings.retry_after_s * 1000)
        for connection in self._connections:
            connection.close(Goodbye(Code.DRAINING, "the hub stops", wait))
        if self._connections:
            await asyncio.wait(self._connections.values(), timeout=self._settings.drain_s)
