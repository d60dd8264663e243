"""One connection to a hub: opens it, feeds the session what comes, sends what it says."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from contextlib import suppress

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus, InvalidURI

from protocol import codec
from protocol.errors import ProtocolError
from protocol.limits import MAX_RETRY_AFTER
from protocol.messages import Goodbye, Message
from pyzsync_daemon.client.interfaces import Socket
from pyzsync_daemon.config import ClientSettings
from pyzsync_daemon.errors import HubRefused, HubUnreachable
from pyzsync_daemon.transport import WEBSOCKET, bearer, decode, encode


class Busy(HubUnreachable):
    """The hub asked to come back after ``retry_after`` seconds."""

    def __init__(self, url: str, reason: str, retry_after: float) -> None:
        super().__init__(url, reason)
        self.retry_after = retry_after


async def open_link(settings: ClientSettings) -> ClientConnection:
    """Connect and authenticate. Raises ``HubUnreachable`` (retry) or ``HubRefused`` (do not)."""
    url = settings.hub
    token = settings.secret()
    headers = {"Authorization": bearer(token)} if token else {}
    tls = _tls(settings)
    try:
        return await connect(url, additional_headers=headers, ssl=tls, **WEBSOCKET)
    except InvalidStatus as error:
        raise _refusal(url, error) from error
    except ssl.SSLCertVerificationError as error:
        hint = "check tls_ca and the name in the hub's certificate"
        raise HubRefused(url, f"its certificate is not trusted: {error.reason}", hint) from error
    except InvalidURI as error:
        raise HubRefused(
            url, str(error), "write it as ws://HOST:PORT or wss://HOST:PORT"
        ) from error
    except (OSError, TimeoutError, InvalidHandshake, EOFError) as error:
        raise HubUnreachable(url, str(error) or type(error).__name__) from error


Receive = Callable[[tuple[Message, ...]], None]
Decode = Callable[[bytes | str], tuple[Message, ...]]


class Link:
    """A connection that stands. ``receive`` is called with the messages of each frame."""

    def __init__(self, websocket: Socket, receive: Receive, decode: Decode = decode) -> None:
        self.received = 0  # bytes of frames
        self.sent = 0
        self._websocket = websocket
        self._receive = receive
        self._decode = decode
        self._queue: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._error: ProtocolError | None = None

    def send(self, messages: list[Message]) -> None:
        """Queue messages. Their number is bounded by the session: it waits for answers."""
        for encoded in encode(messages):
            self._queue.put_nowait(encoded)

    def finish(self) -> None:
        """Close once what is queued has been sent."""
        self._queue.put_nowait(None)

    def fail(self, error: ProtocolError) -> None:
        """The hub said what it must not, and it was noticed later: ``run`` ends with the error."""
        self._error = error
        self.send([Goodbye(error.code, error.detail)])
        self.finish()

    async def run(self) -> None:
        """Serve the connection until it ends; raises ``ProtocolError`` when the hub misbehaves."""
        writer = asyncio.create_task(self._write())
        try:
            await self._read()
        except ProtocolError as error:
            self.send([Goodbye(error.code, error.detail)])
            raise
        finally:
            self.finish()
            with suppress(ConnectionClosed):
                await writer
            await self._websocket.close()

    async def _read(self) -> None:
        with suppress(ConnectionClosed):
            async for frame in self._websocket:
                self.received += len(frame)
                self._receive(self._decode(frame))
        if self._error is not None:
            raise self._error

    async def _write(self) -> None:
        closing = False
        while not closing:
            waiting = [await self._queue.get()]
            while not self._queue.empty():
                waiting.append(self._queue.get_nowait())
            closing = None in waiting
            for frame in codec.join(item for item in waiting if item is not None):
                self.sent += len(frame)
                await self._websocket.send(frame)
        await self._websocket.close()


def _tls(settings: ClientSettings) -> ssl.SSLContext | None:
    if not settings.hub.startswith("wss:"):
        return None
    # With a CA of its own, no other authority can vouch for the hub.
    return ssl.create_default_context(cafile=settings.tls_ca)


def _refusal(url: str, error: InvalidStatus) -> HubRefused | HubUnreachable:
    response = error.response
    match response.status_code:
        case 401 | 403:
            return HubRefused(url, "it does not accept the token", "check token or token_file")
        case 503:
            wait = response.headers.get("Retry-After", "")
            seconds = float(wait) if wait.isascii() and wait.isdigit() else 1.0
            return Busy(url, "it is busy", min(seconds, MAX_RETRY_AFTER / 1000))
        case status if status >= 500:
            return HubUnreachable(url, f"HTTP {status}")
        case status:
            return HubRefused(url, f"HTTP {status}", "is this the address of a hub?")
