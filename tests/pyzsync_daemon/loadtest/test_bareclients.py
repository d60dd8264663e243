import asyncio

from websockets.asyncio.server import serve

from pyzsync_daemon.loadtest.bareclients import BareClients
from pyzsync_daemon.transport import WEBSOCKET
from tests.pyzsync_daemon.loadtest.conftest import PATIENCE


async def test_each_tells_when_it_had_its_bytes():
    connections = []

    async def stay(websocket):
        connections.append(websocket)
        await websocket.wait_closed()

    async with serve(stay, "127.0.0.1", 0, **WEBSOCKET) as server, asyncio.timeout(PATIENCE):
        port = next(iter(server.sockets)).getsockname()[1]
        clients = BareClients()
        await clients.start(f"ws://127.0.0.1:{port}", 3, None, PATIENCE)
        clients.arm(150)
        for each in connections:
            await each.send(bytes(100))
        assert await clients.seen(0.05) == [None] * 3
        for each in connections:
            await each.send(bytes(50))
        seen = await clients.seen(PATIENCE)
        assert None not in seen
        clients.arm(1)
        assert await clients.seen(0.01) == [None] * 3
        await clients.stop()
