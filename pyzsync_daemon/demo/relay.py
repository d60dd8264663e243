"""A TCP relay between clients and hub that counts what travels, whatever the daemons claim."""

from __future__ import annotations

import asyncio
from typing import Final, Self

__all__ = ["Relay"]

_PIECE: Final = 256 * 1024


class Relay:
    """Listens on a free port of the loopback; ``carried`` is the bytes of both directions."""

    def __init__(self, host: str, port: int) -> None:
        self._hub = (host, port)
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self.carried = 0

    @property
    def url(self) -> str:
        """Where clients connect instead."""
        if self._server is None:
            raise RuntimeError("the relay is not open")
        host, port = self._server.sockets[0].getsockname()[:2]
        return f"ws://{host}:{port}"

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_error: object) -> None:
        if self._server is not None:
            self._server.close()
            for writer in tuple(self._writers):
                writer.close()
            await self._server.wait_closed()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            hub_reader, hub_writer = await asyncio.open_connection(*self._hub)
        except OSError:
            writer.close()  # no hub: the client sees a cut, and comes again
            return
        both = (self._pump(reader, hub_writer), self._pump(hub_reader, writer))
        await asyncio.gather(*both)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            while data := await reader.read(_PIECE):
                self.carried += len(data)
                writer.write(data)
                await writer.drain()
        except ConnectionError:
            return  # one side was cut: so is the other, below
        finally:
            self._writers.discard(writer)
            writer.close()
