"""Bare connections: what a WebSocket costs that only counts the bytes that come."""

from __future__ import annotations

import asyncio
import ssl
import time
from contextlib import suppress
from pathlib import Path

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from pyzsync_daemon.loadtest.fleet import OPENING
from pyzsync_daemon.transport import WEBSOCKET


class BareClient:
    """Reads whatever comes."""

    def __init__(self, websocket: ClientConnection) -> None:
        self.done_at: float | None = None
        self._websocket = websocket
        self._wanted = 0
        self._done = asyncio.Event()
        self._task = asyncio.create_task(self._read())

    def arm(self, size: int) -> None:
        """Wait for so many bytes more."""
        self._wanted = size
        self.done_at = None
        self._done.clear()

    async def wait(self) -> None:
        """Until they have come."""
        await self._done.wait()

    async def close(self) -> None:
        """End the connection."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        await self._websocket.close()

    async def _read(self) -> None:
        with suppress(ConnectionClosed):
            async for frame in self._websocket:
                self._wanted -= len(frame)
                if self._wanted <= 0 and self.done_at is None:
                    self.done_at = time.monotonic()
                    self._done.set()


class BareClients:
    """As many of them as there are simulated clients."""

    def __init__(self) -> None:
        self._clients: list[BareClient] = []

    async def start(self, url: str, count: int, ca: Path | None, seconds: float) -> None:
        """Connect. TimeoutError if that takes longer."""
        tls = ssl.create_default_context(cafile=ca) if ca is not None else None
        opening = asyncio.Semaphore(OPENING)

        async def begin() -> None:
            async with opening:
                self._clients.append(BareClient(await connect(url, ssl=tls, **WEBSOCKET)))

        async with asyncio.timeout(seconds):
            await asyncio.gather(*(begin() for _ in range(count)))

    def arm(self, size: int) -> None:
        """Let each wait for so many bytes."""
        for client in self._clients:
            client.arm(size)

    async def seen(self, seconds: float) -> list[float | None]:
        """When each had them."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await asyncio.gather(*(client.wait() for client in self._clients))
        return [client.done_at for client in self._clients]

    async def stop(self) -> None:
        """Close all connections."""
        await asyncio.gather(*(client.close() for client in self._clients))
        self._clients = []
