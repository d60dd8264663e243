"""Who is let in and who is not; what a hub does with its clients is in test_server.py."""

import asyncio
import http
from itertools import pairwise
from types import SimpleNamespace
from typing import ClassVar

import pytest
import structlog
from websockets.datastructures import Headers
from websockets.http11 import Request, Response

from protocol.messages import Position
from pyzsync_daemon.budget import Budget
from pyzsync_daemon.config import HubSettings
from pyzsync_daemon.hub import fleet as module
from pyzsync_daemon.hub.counters import Traffic
from pyzsync_daemon.hub.fleet import ARRIVING, RETURNS, TURN, TURNS, Fleet
from pyzsync_daemon.hub.log import Live, Page
from pyzsync_daemon.hub.records import Batch
from pyzsync_daemon.transport import WEBSOCKET as WEBSOCKET_SETTINGS
from pyzsync_daemon.transport import bearer


def respond(status, text):
    return Response(status, status.phrase, Headers(), text.encode())


WEBSOCKET = SimpleNamespace(respond=respond)


def ask(fleet, *tokens):
    headers = Headers([("Authorization", bearer(token)) for token in tokens])
    return fleet.admit(WEBSOCKET, Request("/", headers))


class Arrival:
    """A connection, as far as admission looks at it; it is served until it is told to leave."""

    made: ClassVar[list] = []

    def __init__(self, services, socket):
        self.session = SimpleNamespace(arriving=True)
        self.goodbye = None
        self.left = asyncio.Event()
        self.made.append(self)

    async def run(self):
        await self.left.wait()

    def close(self, goodbye):
        self.goodbye = goodbye
        self.left.set()


@pytest.fixture
def arrivals(monkeypatch):
    monkeypatch.setattr(module, "Connection", Arrival)
    monkeypatch.setattr(Arrival, "made", [])
    return Arrival.made


class Follower(Arrival):
    """A connection that is level or not, with a socket that takes its bytes or not."""

    def __init__(self, services, socket):
        super().__init__(services, socket)
        self.level, self.unsent, self.woken, self.told = True, 0, 0, []
        self.session = SimpleNamespace(arriving=False)

    def takes(self, cursor):
        return self.level and cursor == PLACE

    def tell(self, page):
        self.told.append(page)

    def published(self):
        self.woken += 1


PLACE = Live(7, closed=True)
HEAD = Position(bytes(16), 7, bytes(32))


class News:
    """A fleet of followers, and the page that it is to be told."""

    def __init__(self, monkeypatch, page):
        self.page = page
        monkeypatch.setattr(module, "Connection", Follower)
        monkeypatch.setattr(Arrival, "made", [])
        self.traffic = Traffic()
        services = SimpleNamespace(follow=self._follow, news=Budget(1000), traffic=self.traffic)
        self.fleet = Fleet(services, HubSettings())

    async def tell(self, count, prepare=lambda followers: None):
        """Connect so many, publish, and return them when nothing moves any more."""
        tasks = await arrive(self.fleet, count)
        prepare(Arrival.made)
        telling = asyncio.create_task(self.fleet.keep_telling())
        self.fleet.published(Batch((), HEAD, HEAD))
        for _ in range(count):
            await asyncio.sleep(0)
        telling.cancel()
        await self.fleet.drain()
        await asyncio.gather(*tasks)
        return Arrival.made

    async def _follow(self, cursor, bare):
        assert (cursor, bare) == (PLACE, False)
        if isinstance(self.page, Exception):
            raise self.page
        return self.page


async def arrive(fleet, count):
    tasks = [asyncio.create_task(fleet.handle(WEBSOCKET)) for _ in range(count)]
    await asyncio.sleep(0)
    return tasks


@pytest.mark.parametrize("tokens", [(), ("wrong",), ("secret", "secret")])
def test_without_its_token_nobody_comes_in(tokens):
    fleet = Fleet(None, HubSettings(token="secret"))
    assert ask(fleet, "secret") is None
    assert ask(fleet, *tokens).status_code == http.HTTPStatus.UNAUTHORIZED
    assert fleet.refused == 1


async def test_a_hub_that_drains_lets_nobody_in():
    fleet = Fleet(None, HubSettings())
    assert ask(fleet) is None
    await fleet.drain()
    response = ask(fleet)
    assert response.status_code == http.HTTPStatus.SERVICE_UNAVAILABLE
    assert int(response.headers["Retry-After"]) >= 1
    assert fleet.refused == 1


async def test_a_herd_is_let_in_by_and_by(arrivals):
    fleet = Fleet(None, HubSettings(max_clients=10_000))
    tasks = await arrive(fleet, ARRIVING)
    assert ask(fleet).status_code == http.HTTPStatus.SERVICE_UNAVAILABLE
    for arrival in arrivals[:10]:
        arrival.session.arriving = False  # welcomed
    assert ask(fleet) is None
    more = await arrive(fleet, 10)
    assert ask(fleet) is not None
    arrivals[-1].left.set()
    await more[-1]
    assert ask(fleet) is None
    await fleet.drain()
    await asyncio.gather(*tasks, *more)


async def test_a_thousand_that_are_sent_away_have_turns_of_their_own(arrivals):
    fleet = Fleet(None, HubSettings(max_clients=1, retry_after_s=2))
    tasks = await arrive(fleet, 1)
    waits = [int(ask(fleet).headers["Retry-After"]) for _ in range(1000)]
    assert (waits[0], waits) == (2, sorted(waits))
    assert waits[-1] == pytest.approx(2 + 1000 / RETURNS, abs=1)
    assert max(waits.count(wait) for wait in set(waits)) <= 1.1 * RETURNS
    await fleet.drain()
    await asyncio.gather(*tasks)


async def test_who_asks_for_ever_does_not_push_the_turns_of_others_away(arrivals):
    fleet = Fleet(None, HubSettings(max_clients=1, retry_after_s=2))
    tasks = await arrive(fleet, 1)
    waits = [int(ask(fleet).headers["Retry-After"]) for _ in range(TURNS + RETURNS)]
    assert max(waits) <= 2 + TURNS / RETURNS + 1
    assert waits[-1] <= 2 + 2
    await fleet.drain()
    assert arrivals[0].goodbye.retry_after_ms <= 4_000
    await asyncio.gather(*tasks)


async def test_a_draining_hub_asks_its_clients_back_one_after_the_other(arrivals):
    fleet = Fleet(None, HubSettings(retry_after_s=1.5))
    tasks = await arrive(fleet, 1000)
    await fleet.drain()
    await asyncio.gather(*tasks)
    waits = [arrival.goodbye.retry_after_ms for arrival in arrivals]
    assert waits[0] == 1500
    assert waits[-1] == pytest.approx(1500 + 1000 * 1000 / RETURNS, abs=100)
    steps = [later - earlier for earlier, later in pairwise(waits)]
    assert 0 < sum(steps) / len(steps) <= 1000 / RETURNS


async def test_level_clients_are_handed_the_same_frames_and_the_others_are_woken(monkeypatch):
    page = Page((b"one", b"two"), Live(9, closed=True), more=False)
    news = News(monkeypatch, page)

    def prepare(followers):
        followers[3].level = False

    followers = await news.tell(2 * TURN + 5, prepare)
    other = followers.pop(3)
    assert (other.woken, other.told) == (1, [])
    assert all((each.woken, each.told) == (0, [page]) for each in followers)
    assert (news.traffic.frames, news.traffic.sent) == (2 * len(followers), 6 * len(followers))


async def test_a_page_that_no_socket_takes_whole_is_sent_by_each_at_its_pace(monkeypatch):
    frame = bytes(WEBSOCKET_SETTINGS["write_limit"] // 2 + 1)
    news = News(monkeypatch, Page((frame, frame), Live(9, closed=True), more=False))
    followers = await news.tell(5)
    assert [(each.woken, each.told) for each in followers] == 5 * [(1, [])]


async def test_what_sockets_do_not_take_is_bounded_by_the_budget_for_news(monkeypatch):
    news = News(monkeypatch, Page((b"x",), Live(9, closed=True), more=False))

    def prepare(followers):
        for follower in followers:
            follower.unsent = 600 / TURN

    followers = await news.tell(4 * TURN, prepare)
    woken = [each.woken for each in followers]
    assert woken == 2 * TURN * [0] + 2 * TURN * [1]  # two turns leave more than 1000 bytes


async def test_when_news_cannot_be_spread_everyone_is_woken(monkeypatch):
    news = News(monkeypatch, OSError("disk"))
    with structlog.testing.capture_logs() as lines:
        followers = await news.tell(3)
    assert [each.woken for each in followers] == [1, 1, 1]
    assert [line["event"] for line in lines] == ["news could not be spread at once"]
