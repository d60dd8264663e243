"""Who is let in and who is not; what a hub does with its clients is in test_server.py."""

import asyncio
import http
from itertools import pairwise
from types import SimpleNamespace
from typing import ClassVar

import pytest
from websockets.datastructures import Headers
from websockets.http11 import Request, Response

from pyzsync_daemon.config import HubSettings
from pyzsync_daemon.hub import fleet as module
from pyzsync_daemon.hub.fleet import ARRIVING, RETURNS, Fleet
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

    def __init__(self, services, websocket):
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
