"""The bare server of the comparison: ``websockets`` on the hub's event loop, and nothing else.

``python -m pyzsync_daemon.loadtest.bareserver [CERT KEY]`` prints its URL; then each line of its
input is a number of bytes that it sends to every connection, in frames as large as the hub's. It
answers when all are handed to the system, and ends with its input.
"""

from __future__ import annotations

import asyncio
import os
import ssl
import sys
from contextlib import suppress

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from protocol.limits import MAX_FRAME
from pyzsync_daemon import loop
from pyzsync_daemon.descriptors import raise_limit
from pyzsync_daemon.transport import WEBSOCKET


async def send(websocket: ServerConnection, frames: list[bytes]) -> None:
    """Send frames one after the other."""
    with suppress(ConnectionClosed):
        for frame in frames:
            await websocket.send(frame)


def frames_of(size: int) -> list[bytes]:
    """So many bytes, in frames."""
    data = os.urandom(min(size, MAX_FRAME))
    return [data[: min(MAX_FRAME, size - at)] for at in range(0, size, MAX_FRAME)]


async def run(certificate: list[str]) -> None:
    """Serve until the input ends."""
    connections: set[ServerConnection] = set()

    async def stay(websocket: ServerConnection) -> None:
        connections.add(websocket)
        try:
            await websocket.wait_closed()
        finally:
            connections.discard(websocket)

    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH) if certificate else None
    if tls is not None:
        tls.load_cert_chain(*certificate)
    reader = asyncio.StreamReader()
    running = asyncio.get_running_loop()
    await running.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    async with serve(stay, "127.0.0.1", 0, ssl=tls, server_header=None, **WEBSOCKET) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        print(f"{'wss' if tls else 'ws'}://127.0.0.1:{port}", flush=True)
        while line := await reader.readline():
            frames = frames_of(int(line))
            await asyncio.gather(*(send(each, frames) for each in tuple(connections)))
            print("sent", flush=True)


def main() -> None:
    """Run a bare server process."""
    raise_limit()
    loop.run(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
