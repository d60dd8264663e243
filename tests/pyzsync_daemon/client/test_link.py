"""Real WebSockets on loopback, with a hub that says what the test wants."""

import asyncio
import http
import socket
from contextlib import asynccontextmanager

import pytest
from websockets.asyncio.server import serve

from protocol import codec
from protocol.errors import BadMessage, Code, UnexpectedMessage
from protocol.messages import Ack, Announce, Goodbye
from pyzsync_daemon.client.link import Busy, Link, open_link
from pyzsync_daemon.config import ClientSettings
from pyzsync_daemon.errors import HubRefused, HubUnreachable
from pyzsync_daemon.transport import WEBSOCKET, decode

PATIENCE = 20  # seconds until a test that hangs fails


class Hub:
    """Hands the server side of each connection to ``say``; keeps what it hears."""

    def __init__(self, say):
        self.say = say
        self.heard = []
        self.requests = []
        self.response = None
        self.done = asyncio.Event()

    async def handle(self, websocket):
        await self.say(websocket)
        async for frame in websocket:
            self.heard += decode(frame)
        self.done.set()

    def admit(self, websocket, request):
        self.requests.append(request)
        if self.response is None:
            return None
        status, headers = self.response
        response = websocket.respond(status, "no\n")
        response.headers.update(headers)
        return response


async def nothing(websocket):
    pass


@asynccontextmanager
async def hub_that(say=nothing, response=None):
    hub = Hub(say)
    hub.response = response
    async with (
        asyncio.timeout(PATIENCE),
        serve(hub.handle, "127.0.0.1", 0, process_request=hub.admit, **WEBSOCKET) as server,
    ):
        port = next(iter(server.sockets)).getsockname()[1]
        hub.settings = ClientSettings(hub=f"ws://127.0.0.1:{port}")
        yield hub


# --- one connection ---


async def test_messages_arrive_in_order_and_are_counted():
    frames = [codec.encode(Ack(1)) + codec.encode(Ack(2)), codec.encode(Goodbye(Code.DRAINING))]

    async def say(websocket):
        for frame in frames:
            await websocket.send(frame)
        await websocket.close()

    heard = []
    async with hub_that(say) as hub:
        link = Link(await open_link(hub.settings), heard.append)
        await link.run()
    assert heard == [(Ack(1), Ack(2)), (Goodbye(Code.DRAINING),)]
    assert (link.received, link.sent) == (sum(map(len, frames)), 0)


async def test_what_is_said_is_sent_before_the_end():
    async with hub_that() as hub:
        link = Link(await open_link(hub.settings), lambda message: None)
        link.send([Ack(1), Ack(2)])
        link.send([Ack(3)])
        link.finish()
        await link.run()
        await hub.done.wait()
    assert hub.heard == [Ack(1), Ack(2), Ack(3)]
    assert link.sent == sum(len(codec.encode(message)) for message in hub.heard)


async def test_a_hub_that_vanishes_is_an_ordinary_end():
    async def say(websocket):
        websocket.transport.abort()

    async with hub_that(say) as hub:
        link = Link(await open_link(hub.settings), lambda message: None)
        link.send([Ack(1)])
        await link.run()


async def test_a_hub_that_misbehaves_is_told_so():
    async def say(websocket):
        await websocket.send(b"\xc1")

    async with hub_that(say) as hub:
        link = Link(await open_link(hub.settings), lambda message: None)
        with pytest.raises(BadMessage):
            await link.run()
        await hub.done.wait()
    assert [message.code for message in hub.heard] == [Code.BAD_MESSAGE]


async def test_what_the_session_refuses_is_told_too():
    async def say(websocket):
        await websocket.send(codec.encode(Announce(())))

    def refuse(messages):
        raise UnexpectedMessage("greeting", type(messages[0]).__name__)

    async with hub_that(say) as hub:
        link = Link(await open_link(hub.settings), refuse)
        with pytest.raises(UnexpectedMessage):
            await link.run()
        await hub.done.wait()
    assert hub.heard == [
        Goodbye(Code.UNEXPECTED_MESSAGE, "Announce is not expected while greeting")
    ]


async def test_a_link_that_is_cancelled_closes_its_connection():
    async with hub_that() as hub:
        websocket = await open_link(hub.settings)
        running = asyncio.create_task(Link(websocket, lambda message: None).run())
        await asyncio.sleep(0)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        await hub.done.wait()


# --- opening one ---


async def test_a_token_is_carried_in_the_handshake():
    async with hub_that() as hub:
        settings = ClientSettings(hub=hub.settings.hub, token="secret")
        await (await open_link(settings)).close()
        await (await open_link(hub.settings)).close()
    assert [request.headers.get("Authorization") for request in hub.requests] == [
        "Bearer secret",
        None,
    ]


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (http.HTTPStatus.UNAUTHORIZED, "it does not accept the token"),
        (http.HTTPStatus.FORBIDDEN, "it does not accept the token"),
        (http.HTTPStatus.NOT_FOUND, "HTTP 404"),
    ],
)
async def test_a_hub_that_will_never_have_us(status, reason):
    async with hub_that(response=(status, {})) as hub:
        with pytest.raises(HubRefused) as caught:
            await open_link(hub.settings)
    assert caught.value.reason == reason
    assert caught.value.hint


@pytest.mark.parametrize(
    ("header", "wait"),
    [("7", 7.0), ("soon", 1.0), ("-5", 1.0), ("9" * 400, 3600.0), ("", 1.0)],
)
async def test_a_busy_hub_says_when_to_come_back(header, wait):
    response = (
        http.HTTPStatus.SERVICE_UNAVAILABLE,
        {"Retry-After": header.encode().decode("latin1")},
    )
    async with hub_that(response=response) as hub:
        with pytest.raises(Busy) as caught:
            await open_link(hub.settings)
    assert caught.value.retry_after == wait


async def test_a_hub_with_troubles_of_its_own_is_tried_again():
    async with hub_that(response=(http.HTTPStatus.BAD_GATEWAY, {})) as hub:
        with pytest.raises(HubUnreachable) as caught:
            await open_link(hub.settings)
    assert caught.value.reason == "HTTP 502"


async def test_nobody_listens():
    with socket.create_server(("127.0.0.1", 0)) as held:
        port = held.getsockname()[1]
    with pytest.raises(HubUnreachable) as caught:
        await open_link(ClientSettings(hub=f"ws://127.0.0.1:{port}"))
    assert str(port) in str(caught.value)


async def test_what_listens_is_no_hub():
    async def answer(reader, writer):
        writer.write(b"220 mail.example ESMTP\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with asyncio.timeout(PATIENCE), server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(HubUnreachable):
            await open_link(ClientSettings(hub=f"ws://127.0.0.1:{port}"))
