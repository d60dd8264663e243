"""A hub's sockets against real clients on loopback."""

import asyncio
import gc
import socket as sockets
import weakref
from contextlib import asynccontextmanager

import pytest
from websockets.asyncio.client import connect
from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed
from websockets.frames import Frame, Opcode

from protocol.limits import MAX_FRAME
from pyzsync_daemon.hub.socket import Socket
from pyzsync_daemon.transport import WEBSOCKET

PATIENCE = 20  # seconds until a test that hangs fails; nothing waits for it to pass


class Ear:
    """Listens to one socket, and keeps it open until it is lost."""

    def __init__(self):
        self.frames = asyncio.Queue()
        self.gone = asyncio.Event()
        self.losses = 0
        self.socket = None
        self.open = asyncio.Event()
        self.may_listen = asyncio.Event()
        self.may_listen.set()

    def heard(self, frame):
        self.frames.put_nowait(frame)

    def lost(self):
        self.losses += 1
        self.gone.set()

    async def handle(self, socket):
        self.socket = socket
        self.open.set()
        await self.may_listen.wait()
        socket.listen(self)
        await self.gone.wait()


@asynccontextmanager
async def listening(ear, **settings):
    settings = WEBSOCKET | settings
    serving = serve(ear.handle, "127.0.0.1", 0, create_connection=Socket, **settings)
    async with asyncio.timeout(PATIENCE), serving as server:
        yield next(iter(server.sockets)).getsockname()[1]


@asynccontextmanager
async def talk(ear, **settings):
    async with listening(ear, **settings) as port:
        async with connect(f"ws://127.0.0.1:{port}", proxy=None, **WEBSOCKET) as client:
            await ear.open.wait()
            yield client
        await ear.gone.wait()


@pytest.fixture
async def ear():
    return Ear()


async def test_frames_are_heard_as_they_come(ear):
    async with talk(ear) as client:
        for frame in (b"one", b"", bytes(MAX_FRAME)):
            await client.send(frame)
            assert await ear.frames.get() == frame
    assert ear.losses == 1


async def test_text_is_heard_as_text_even_if_it_is_none(ear):
    async with talk(ear) as client:
        await client.send("hello")
        assert await ear.frames.get() == "hello"
        await client.send(b"\xff", text=True)
        assert isinstance(await ear.frames.get(), str)


async def test_a_frame_in_fragments_is_heard_once_and_whole(ear):
    async with talk(ear) as client:
        await client.send([b"one ", b"", b"frame"])
        await client.send([b"x", b"y"])
        assert [await ear.frames.get() for _ in range(2)] == [b"one frame", b"xy"]


async def test_fragments_together_are_no_longer_than_a_frame(ear):
    async with talk(ear) as client:
        with pytest.raises(ConnectionClosed):
            await client.send([bytes(MAX_FRAME), b"x"])
            await client.recv()
    assert ear.frames.empty()


async def test_what_comes_before_somebody_listens_is_heard_first(ear):
    """Also when it came with the handshake, which no client may do."""
    ear.may_listen.clear()
    upgrade = [
        "GET / HTTP/1.1",
        "Host: 127.0.0.1",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Version: 13",
    ]
    early = "\r\n".join([*upgrade, "", ""]).encode()
    for frame in (b"first", b"second"):
        early += Frame(Opcode.BINARY, frame).serialize(mask=True)
    async with listening(ear) as port:
        with sockets.create_connection(("127.0.0.1", port)) as client:
            client.sendall(early)
            await ear.open.wait()
            client.sendall(Frame(Opcode.BINARY, b"third").serialize(mask=True))
            assert ear.frames.empty()
            ear.may_listen.set()
            heard = [await ear.frames.get() for _ in range(3)]
        await ear.gone.wait()
    assert heard == [b"first", b"second", b"third"]


async def test_a_socket_that_is_lost_before_somebody_listens_says_so_then(ear):
    ear.may_listen.clear()
    async with listening(ear) as port:
        client = await connect(f"ws://127.0.0.1:{port}", proxy=None, **WEBSOCKET)
        await ear.open.wait()
        client.transport.abort()
        await ear.socket.wait_closed()
        ear.may_listen.set()
        await ear.gone.wait()
    assert ear.losses == 1


async def test_frames_come_through_in_order_and_may_be_put_many_times(ear):
    """Of each of the three lengths that a header has."""
    frames = [b"", b"two", bytes(125), bytes(126), bytes(MAX_FRAME - 1), bytes(MAX_FRAME)]
    async with talk(ear) as client:
        ear.socket.put(frames)
        ear.socket.put(iter(frames[1:2]))
        got = [await client.recv() for _ in range(7)]
    assert got == [*frames, b"two"]


async def test_pings_are_answered_between_frames(ear):
    async with talk(ear) as client:
        ear.socket.put([b"before"])
        await (await client.ping())
        await client.send(b"after")
        assert await ear.frames.get() == b"after"
        assert await client.recv() == b"before"


async def test_what_is_unsent_is_known_and_a_socket_that_ends_takes_nothing(ear):
    async with talk(ear) as client:
        client.transport.pause_reading()
        frame = bytes(MAX_FRAME)
        while not ear.socket.unsent:
            ear.socket.put(200 * [frame])
        assert ear.socket.paused
        unsent = ear.socket.unsent
        ear.socket.transport.abort()
        ear.socket.put([frame])
        assert ear.socket.unsent <= unsent
        client.transport.abort()


async def test_a_connection_that_ended_is_not_kept_by_its_listener(ear):
    """Cycles are looked for so seldom that thousands of dead connections would wait for it."""
    gc.disable()
    try:
        async with talk(ear) as client:
            await client.send(b"hello")
            await ear.frames.get()
            freed = asyncio.Event()
            weakref.finalize(ear.socket, freed.set)
        ear.socket = None
        async with asyncio.timeout(PATIENCE):
            await freed.wait()
    finally:
        gc.enable()
    assert ear.losses == 1


async def test_pings_of_a_client_that_does_not_read_wait(ear):
    ping = Frame(Opcode.PING, bytes(125)).serialize(mask=True)
    async with talk(ear) as client:
        client.transport.pause_reading()
        most = 0
        for _ in range(200):
            client.transport.write(ping * 1000)
            await asyncio.sleep(0)
            most = max(most, ear.socket.unsent)
        sent = 200 * 1000 * len(ping)
        assert most < sent / 20  # a read of the socket holds so many
        client.transport.resume_reading()


async def test_a_client_that_talks_before_it_is_let_in_is_cut(ear):
    ear.may_listen.clear()
    async with listening(ear) as port:
        async with connect(f"ws://127.0.0.1:{port}", proxy=None, **WEBSOCKET) as client:
            await ear.open.wait()
            for _ in range(20):
                client.transport.write(Frame(Opcode.BINARY, b"early").serialize(mask=True))
            await client.wait_closed()
        ear.may_listen.set()
        await ear.gone.wait()
    assert ear.frames.empty()
