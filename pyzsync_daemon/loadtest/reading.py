"""A socket that is read at once, whoever is at work: as if each client had a machine of its own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import Final

from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from pyzsync_daemon.loadtest.runners import Turns

AHEAD: Final = 8  # frames of at most 64 KiB that are read before the client works on them


class Reading:
    """Takes frames as they come, calls ``heard`` for each, and hands them on in turn.

    So the moment of arrival is that of a bare connection, which does nothing with its bytes.
    """

    def __init__(
        self, websocket: ClientConnection, turns: Turns, heard: Callable[[], None]
    ) -> None:
        self._websocket = websocket
        self._turns = turns
        self._heard = heard
        self._frames: asyncio.Queue[bytes | str | None] = asyncio.Queue(AHEAD)
        self._task = asyncio.create_task(self._read())

    async def __aiter__(self) -> AsyncIterator[bytes | str]:
        """The frames, until the connection is closed."""
        while (frame := await self._frames.get()) is not None:
            await self._turns.take()
            yield frame
            while not self._frames.empty():
                frame = self._frames.get_nowait()
                if frame is None:
                    return
                yield frame

    async def send(self, message: bytes) -> None:
        """Send a frame. ``ConnectionClosed``."""
        await self._websocket.send(message)

    async def close(self) -> None:
        """Close the connection."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        await self._websocket.close()

    async def _read(self) -> None:
        with suppress(ConnectionClosed):
            async for frame in self._websocket:
                self._heard()
                await self._frames.put(frame)
        await self._frames.put(None)
