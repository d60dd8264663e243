"""Who is let in and who is not; what a hub does with its clients is in test_server.py."""

import http
from types import SimpleNamespace

import pytest
from websockets.datastructures import Headers
from websockets.http11 import Request, Response

from pyzsync_daemon.config import HubSettings
from pyzsync_daemon.hub.fleet import Fleet
from pyzsync_daemon.transport import bearer


def respond(status, text):
    return Response(status, status.phrase, Headers(), text.encode())


WEBSOCKET = SimpleNamespace(respond=respond)


def ask(fleet, *tokens):
    headers = Headers([("Authorization", bearer(token)) for token in tokens])
    return fleet.admit(WEBSOCKET, Request("/", headers))


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
