"""Real WebSockets on loopback, with a log and answers made by hand."""

import asyncio
from contextlib import asynccontextmanager

import pytest
import structlog
from websockets.asyncio.client import connect
from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed

from protocol import codec, runs
from protocol.errors import Code, ProtocolError
from protocol.messages import (
    Ack,
    Announce,
    BlockQuery,
    Blocks,
    Coding,
    Delta,
    DeltaQuery,
    Get,
    Goodbye,
    Hello,
    Position,
    Published,
    PublishedQuery,
    Welcome,
)
from pyzsync_daemon.budget import Budget
from pyzsync_daemon.hub.connection import Connection, Services
from pyzsync_daemon.hub.counters import Traffic
from pyzsync_daemon.hub.log import Live, Page
from pyzsync_daemon.hub.session import HubFacts
from pyzsync_daemon.hub.socket import Socket
from pyzsync_daemon.transport import WEBSOCKET, decode
from pyzsync_daemon.weight import weight

HELLO = Hello((1,), (), "client")
VERSION = 32 * b"v"
PATIENCE = 20  # seconds until a test that hangs fails; nothing waits for it to pass


class Hub:
    """A server whose log has one page a published number, and whose answers are what it is told."""

    def __init__(self):
        self.head = 0
        self.connections = []
        self.ended = asyncio.Event()
        self.asked = []
        self.bare = []
        self.answers = {}
        self.failure = None  # raised by the log
        self.news = Budget(2**20)
        self.budget = Budget(2**20)
        self.traffic = Traffic()
        self.send_timeout = self.greeting_timeout = PATIENCE

    async def start(self, position):
        return Live(position.seq if position else 0, closed=False), position is not None

    async def follow(self, cursor, bare):
        self.bare.append(bare)
        if self.failure is not None:
            raise self.failure
        frame = codec.encode(Announce((), Position(bytes(16), self.head, bytes(32))))
        return Page((frame,), Live(self.head, closed=True), more=False)

    async def answer(self, queries):
        self.asked += queries
        answers = [self.answers[query] for query in queries]
        for answer in answers:
            if isinstance(answer, Exception):
                raise answer
        return answers

    def publish(self):
        self.head += 1
        for connection in self.connections:
            connection.published()

    async def handle(self, websocket):
        facts = HubFacts("hub", 32 * b"h", b"", 4)
        services = Services(
            facts,
            self.start,
            self.follow,
            self.answer,
            self.news,
            self.budget,
            self.traffic,
            self.send_timeout,
            self.greeting_timeout,
        )
        connection = Connection(services, websocket)
        self.connections.append(connection)
        try:
            await connection.run()
        finally:
            self.ended.set()


class Client:
    def __init__(self, websocket):
        self.websocket = websocket
        self._messages = []

    async def say(self, *messages):
        await self.websocket.send(b"".join(map(codec.encode, messages)))

    async def hear(self):
        while not self._messages:
            self._messages += decode(await self.websocket.recv())
        return self._messages.pop(0)

    async def hear_goodbye(self):
        """The last message, after which the hub closes."""
        while True:
            message = await self.hear()
            if isinstance(message, Goodbye):
                with pytest.raises(ConnectionClosed):
                    await self.websocket.recv()
                return message

    async def greet(self):
        await self.say(HELLO)
        welcome, news = await self.hear(), await self.hear()
        assert (type(welcome), type(news)) == (Welcome, Announce)


@asynccontextmanager
async def talk(hub, **settings):
    """A client of the hub; afterwards the hub's side must have ended."""
    settings = WEBSOCKET | settings
    serving = serve(hub.handle, "127.0.0.1", 0, create_connection=Socket, **settings)
    async with asyncio.timeout(PATIENCE), serving as server:
        port = next(iter(server.sockets)).getsockname()[1]
        async with connect(f"ws://127.0.0.1:{port}", proxy=None, **WEBSOCKET) as websocket:
            yield Client(websocket)
        await hub.ended.wait()


@pytest.fixture
def hub():
    return Hub()


@pytest.fixture
def log():
    with structlog.testing.capture_logs() as lines:
        yield lines


def query(path):
    return PublishedQuery(path, VERSION)


def published(path, known=True):
    return (codec.encode(Published(query(path), known)),)


# --- the conversation ---


async def test_a_client_is_welcomed_and_told_where_the_log_is(hub):
    async with talk(hub) as client:
        await client.say(HELLO)
        assert (await client.hear()).agent == "hub"
        assert (await client.hear()).position.seq == 0


async def test_news_are_told_as_they_come(hub):
    async with talk(hub) as client:
        await client.greet()
        for seq in (1, 2):
            hub.publish()
            assert (await client.hear()).position.seq == seq


async def test_queries_are_answered(hub):
    hub.answers = {query(path): published(path) for path in "abc"}
    async with talk(hub) as client:
        await client.greet()
        await client.say(Get((query("a"), query("b"))), Get((query("c"),)))
        assert [(await client.hear()).query.path for _ in "abc"] == ["a", "b", "c"]
    assert hub.asked == [query("a"), query("b"), query("c")]


async def test_an_acknowledgement_is_noted(hub):
    hub.answers = {query("a"): published("a")}
    async with talk(hub) as client:
        await client.greet()
        await client.say(Ack(5), Get((query("a"),)))
        await client.hear()
    assert hub.connections[0].session.acknowledged == 5


async def test_an_acknowledgement_wakes_nobody(hub):
    """A thousand of them come after each change."""
    async with talk(hub) as client:
        await client.greet()
        (connection,) = hub.connections
        turns, serve_once = [], connection._serve

        async def counted():
            turns.append(None)
            await serve_once()

        connection._serve = counted
        for seq in range(1, 4):
            await client.say(Ack(seq))
        await (await client.websocket.ping())  # by then they were heard
        assert (connection.session.acknowledged, turns) == (3, [])
        hub.publish()
        await client.hear()
    assert turns


async def test_a_window_in_parts_is_sent_whole_and_its_bytes_leave_the_budget(hub):
    asked = BlockQuery(VERSION, 0, runs.whole(1100))
    parts = [
        Blocks(asked, part, 10, Coding.RAW, 1100 * 512, b"", bytes([part]) * 56_320)
        for part in range(10)
    ]
    hub.answers = {asked: tuple(map(codec.encode, parts))}
    async with talk(hub) as client:
        await client.greet()
        await client.say(Get((asked,)))
        assert [await client.hear() for _ in parts] == parts
    assert hub.budget.held == 0


async def test_a_client_that_leaves_is_an_ordinary_end(hub, log):
    async with talk(hub) as client:
        await client.greet()
        await client.say(Goodbye(Code.NORMAL, "done"))
        with pytest.raises(ConnectionClosed):
            await client.websocket.recv()
    assert [(line["log_level"], line["code"]) for line in log] == [("info", "NORMAL")]
    assert log[0]["reason"] == "done"


async def test_a_client_that_vanishes_is_an_ordinary_end(hub, log):
    async with talk(hub) as client:
        await client.greet()
        client.websocket.transport.abort()
    assert [(line["log_level"], line["code"]) for line in log] == [("info", "NORMAL")]


async def test_the_hub_says_goodbye_when_it_drains(hub):
    goodbye = Goodbye(Code.DRAINING, "the hub stops", 1500)
    async with talk(hub) as client:
        await client.greet()
        hub.connections[0].close(goodbye)
        assert await client.hear_goodbye() == goodbye


# --- bad clients ---


async def test_bytes_that_are_no_message_get_a_named_end(hub, log):
    async with talk(hub) as client:
        await client.greet()
        await client.websocket.send(b"\xc1")
        assert (await client.hear_goodbye()).code is Code.BAD_MESSAGE
    assert log[-1]["log_level"] == "warning"


async def test_text_gets_a_named_end(hub):
    async with talk(hub) as client:
        await client.websocket.send("hello")
        goodbye = await client.hear_goodbye()
    assert goodbye.detail == "frame: is text, and only binary frames are spoken here"


async def test_a_message_out_of_turn_gets_a_named_end(hub):
    async with talk(hub) as client:
        await client.say(Ack(1))
        goodbye = await client.hear_goodbye()
    assert goodbye == Goodbye(Code.UNEXPECTED_MESSAGE, "Ack is not expected while greeting")


async def test_too_many_queries_get_a_named_end(hub):
    async with talk(hub) as client:
        await client.greet()
        await client.say(Get(tuple(query(str(n)) for n in range(9))))
        assert (await client.hear_goodbye()).code is Code.TOO_LARGE
    assert hub.asked == []


async def test_a_client_that_says_nothing_is_sent_away_to_try_again(hub):
    hub.greeting_timeout = 0.05
    async with talk(hub) as client:
        goodbye = await client.hear_goodbye()
    assert goodbye == Goodbye(Code.SLOW_CLIENT, "no Hello came in time")
    assert goodbye.code.retry


async def test_a_client_that_does_not_read_is_cut_off(hub, log):
    hub.send_timeout = 0.1
    asked = [BlockQuery(VERSION, window, runs.whole(4096)) for window in range(4)]
    part = bytes(56_320)
    for each in asked:
        message = codec.encode(Blocks(each, 0, 38, Coding.RAW, 4096 * 512, b"", part))
        hub.answers[each] = (message,) * 200
    async with talk(hub) as client:
        await client.greet()
        client.websocket.transport.pause_reading()
        await client.say(Get(tuple(asked)))
        await hub.ended.wait()
    assert (log[-1]["code"], log[-1]["log_level"]) == ("SLOW_CLIENT", "warning")
    assert hub.budget.held == 0


async def test_a_client_that_answers_no_ping_is_told_apart_from_one_that_leaves(hub, log):
    async with talk(hub, ping_interval=0.3, ping_timeout=0.3) as client:
        await client.greet()
        client.websocket.transport.pause_reading()
        await hub.ended.wait()
        client.websocket.transport.abort()
    assert (log[-1]["code"], log[-1]["reason"]) == ("SLOW_CLIENT", "did not answer in time")
    assert hub.traffic.slow_cut == 1


async def test_answers_weigh_on_the_budget_before_they_are_made(hub):
    asked = BlockQuery(VERSION, 0, runs.whole(100))
    part = Blocks(asked, 0, 1, Coding.RAW, 100 * 512, b"", bytes(100 * 512))
    hub.answers = {asked: (codec.encode(part),)}
    held = []
    real = hub.answer

    async def answer(queries):
        held.append(hub.budget.held)
        return await real(queries)

    hub.answer = answer
    async with talk(hub) as client:
        await client.greet()
        await client.say(Get((asked,)))
        assert await client.hear() == part
    assert held == [100 * 512]


async def test_a_delta_that_is_searched_for_takes_nothing_from_the_budget_of_all(hub):
    asked = DeltaQuery(32 * b"o", VERSION)
    part = Delta(asked, 0, 1, Coding.RAW, 1, b"x")
    hub.budget = Budget(weight(asked))
    hub.answers = {asked: (codec.encode(part),), query("a"): published("a")}
    searching, found = asyncio.Event(), asyncio.Event()
    real = hub.answer

    async def answer(queries):
        if queries == [asked]:
            searching.set()
            await found.wait()
        return await real(queries)

    hub.answer = answer
    async with talk(hub) as client:
        await client.greet()
        await client.say(Get((asked,)))
        await searching.wait()
        async with talk(hub) as other:
            await other.greet()
            await other.say(Get((query("a"),)))
            assert (await other.hear()).query == query("a")
        found.set()
        assert await client.hear() == part
    assert hub.budget.held == 0


async def test_a_client_that_does_not_read_holds_up_nobody(hub, monkeypatch):
    monkeypatch.setattr("pyzsync_daemon.hub.connection.STALL", 0.05)
    hub.budget = Budget(2**21)
    big = BlockQuery(VERSION, 0, runs.whole(4096))
    part = codec.encode(Blocks(big, 0, 38, Coding.RAW, 4096 * 512, b"", bytes(56_320)))
    hub.answers = {big: (part,) * 400, query("a"): published("a")}
    async with talk(hub) as stalled:
        await stalled.greet()
        stalled.websocket.transport.pause_reading()
        await stalled.say(Get((big,)))
        async with talk(hub) as other:
            await other.greet()
            await other.say(Get((query("a"),)))
            assert (await other.hear()).query == query("a")
            assert not hub.ended.is_set()  # the first is still there
            stalled.websocket.transport.abort()
    assert hub.budget.held == 0


# --- bad services ---


async def test_what_the_log_refuses_is_told(hub):
    async with talk(hub) as client:
        await client.greet()
        hub.failure = ProtocolError(Code.SLOW_CLIENT, "deletions are forgotten")
        hub.publish()
        goodbye = await client.hear_goodbye()
    assert goodbye == Goodbye(Code.SLOW_CLIENT, "deletions are forgotten")


@pytest.mark.parametrize("where", ["log", "answer"])
async def test_a_failure_of_the_hub_ends_this_connection_only_and_is_logged(hub, log, where):
    hub.answers = {query("a"): RuntimeError("a defect"), query("b"): published("b")}
    async with talk(hub) as client:
        await client.greet()
        if where == "log":
            hub.failure = RuntimeError("a defect")
            hub.publish()
        else:
            await client.say(Get((query("a"), query("b"))))
        goodbye = await client.hear_goodbye()
    assert goodbye == Goodbye(Code.INTERNAL, "the hub failed; its log says how")
    errors = [line for line in log if line["log_level"] == "error"]
    assert [str(line["exc_info"]) for line in errors] == ["a defect"]
