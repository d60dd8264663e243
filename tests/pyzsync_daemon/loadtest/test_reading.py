import asyncio

from websockets.asyncio.client import connect
from websockets.asyncio.server import serve

from pyzsync_daemon.loadtest.reading import AHEAD, Reading
from pyzsync_daemon.loadtest.runners import Turns
from pyzsync_daemon.transport import WEBSOCKET
from tests.pyzsync_daemon.loadtest.conftest import PATIENCE


async def test_frames_are_noted_as_they_come_and_handed_on_in_order():
    echoed = asyncio.get_running_loop().create_future()

    async def talk(websocket):
        for number in range(AHEAD):
            await websocket.send(bytes([number]))
        echoed.set_result(await websocket.recv())

    arrived = asyncio.Queue()
    async with serve(talk, "127.0.0.1", 0, **WEBSOCKET) as server, asyncio.timeout(PATIENCE):
        port = next(iter(server.sockets)).getsockname()[1]
        websocket = await connect(f"ws://127.0.0.1:{port}", **WEBSOCKET)
        reading = Reading(websocket, Turns(), lambda: arrived.put_nowait(None))
        for _ in range(AHEAD):
            await arrived.get()  # while nobody works on any of them
        await reading.send(b"thanks")
        assert await echoed == b"thanks"
        assert [frame async for frame in reading] == [bytes([n]) for n in range(AHEAD)]
        await reading.close()


async def test_all_that_is_there_is_handed_on_in_one_turn():
    async def talk(websocket):
        for _ in range(AHEAD):
            await websocket.send(b"x")

    arrived = asyncio.Queue()
    turns, taken = Turns(), []
    take = turns.take

    async def counted():
        taken.append(None)
        await take()

    turns.take = counted
    async with serve(talk, "127.0.0.1", 0, **WEBSOCKET) as server, asyncio.timeout(PATIENCE):
        port = next(iter(server.sockets)).getsockname()[1]
        websocket = await connect(f"ws://127.0.0.1:{port}", **WEBSOCKET)
        reading = Reading(websocket, turns, lambda: arrived.put_nowait(None))
        for _ in range(AHEAD):
            await arrived.get()
        assert [frame async for frame in reading] == AHEAD * [b"x"]
        await reading.close()
    assert len(taken) == 1


async def test_what_is_not_worked_on_is_left_in_the_socket():
    async def talk(websocket):
        for _ in range(10 * AHEAD):
            await websocket.send(b"x")
        await websocket.wait_closed()

    arrived = []
    async with serve(talk, "127.0.0.1", 0, **WEBSOCKET) as server, asyncio.timeout(PATIENCE):
        port = next(iter(server.sockets)).getsockname()[1]
        websocket = await connect(f"ws://127.0.0.1:{port}", **WEBSOCKET)
        reading = Reading(websocket, Turns(), lambda: arrived.append(None))
        frames = aiter(reading)
        for _ in range(AHEAD):
            await anext(frames)
            assert len(arrived) <= 3 * AHEAD
        await frames.aclose()
        await reading.close()
