"""A whole hub in this process, on a free port of loopback."""

import asyncio
import os
import socket
from contextlib import asynccontextmanager, closing

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from protocol import codec
from protocol.errors import Code
from protocol.messages import Announce, Goodbye, Hello, Welcome
from pyzsync_daemon.client.replica import Replica
from pyzsync_daemon.config import HubSettings
from pyzsync_daemon.errors import CannotListen
from pyzsync_daemon.hub.disk import StateBusy
from pyzsync_daemon.hub.ignorefile import BadIgnoreFile
from pyzsync_daemon.hub.index import HubIndex
from pyzsync_daemon.hub.server import serve
from pyzsync_daemon.transport import WEBSOCKET, bearer, decode

PATIENCE = 30  # seconds until a test that hangs fails


@asynccontextmanager
async def running(tmp_path, **settings):
    """A hub that publishes ``tmp_path/root``; yields its URL and the event that stops it."""
    root = tmp_path / "root"
    root.mkdir(exist_ok=True)
    settings = HubSettings(root=root, state=tmp_path / "state", listen="127.0.0.1:0", **settings)
    stop, url = asyncio.Event(), asyncio.get_running_loop().create_future()
    async with asyncio.timeout(PATIENCE):
        task = asyncio.create_task(serve(settings, stop=stop, on_listening=url.set_result))
        await asyncio.wait([task, url], return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            await task
        try:
            yield await url, stop
        finally:
            stop.set()
            await task


def opened(url, token=""):
    headers = {"Authorization": bearer(token)} if token else {}
    return connect(url, additional_headers=headers, proxy=None, **WEBSOCKET)


async def hear(websocket, kind):
    """The next message of a kind."""
    while True:
        for message in decode(await websocket.recv()):
            if isinstance(message, kind):
                return message


async def greeted(websocket):
    await websocket.send(codec.encode(Hello((1,), (), "test")))
    return await hear(websocket, Welcome)


async def test_a_client_is_told_of_the_tree_and_of_what_changes(tmp_path):
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "first").write_bytes(b"1")
    async with running(tmp_path, requests=7) as (url, _), opened(url) as websocket:
        welcome = await greeted(websocket)
        assert (welcome.requests, welcome.resumed) == (7, False)
        first = await hear(websocket, Announce)
        assert [change.path for change in first.changes] == ["first"]
        (tmp_path / "root" / "second").write_bytes(b"2")
        news = await hear(websocket, Announce)
        while not news.changes:
            news = await hear(websocket, Announce)
        assert [change.path for change in news.changes] == ["second"]


async def test_a_hub_that_stops_says_when_to_come_back(tmp_path):
    async with running(tmp_path, retry_after_s=1.5) as (url, stop), opened(url) as websocket:
        await greeted(websocket)
        stop.set()
        goodbye = await hear(websocket, Goodbye)
        assert goodbye == Goodbye(Code.DRAINING, "the hub stops", 1500)


async def test_the_identity_outlives_the_process(tmp_path):
    identities = set()
    for _ in range(2):
        async with running(tmp_path) as (url, _), opened(url) as websocket:
            identities.add((await greeted(websocket)).hub)
    assert len(identities) == 1


@pytest.mark.parametrize("token", ["", "wrong", "sécret"])
async def test_without_the_token_there_is_no_handshake(tmp_path, token):
    async with running(tmp_path, token="secret") as (url, _):
        with pytest.raises(InvalidStatus) as caught:
            await opened(url, token)
        assert caught.value.response.status_code == 401
        async with opened(url, "secret") as websocket:
            await greeted(websocket)


async def test_a_web_page_is_no_client(tmp_path):
    async with running(tmp_path) as (url, _):
        with pytest.raises(InvalidStatus) as caught:
            await connect(url, origin="https://example.org", proxy=None)
        assert caught.value.response.status_code == 403


async def test_one_client_too_many_is_told_when_to_come_back(tmp_path):
    async with running(tmp_path, max_clients=1, retry_after_s=3) as (url, _):
        async with opened(url) as websocket:
            await greeted(websocket)
            with pytest.raises(InvalidStatus) as caught:
                await opened(url)
        assert caught.value.response.status_code == 503
        assert caught.value.response.headers["Retry-After"] == "3"


async def test_an_address_that_is_taken(tmp_path):
    (tmp_path / "root").mkdir()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        settings = HubSettings(root=tmp_path / "root", state=tmp_path / "state", listen=listen)
        with pytest.raises(CannotListen) as caught:
            await serve(settings, stop=asyncio.Event(), on_listening=print)
    assert caught.value.address == listen


async def test_a_root_that_is_not_there(tmp_path):
    settings = HubSettings(root=tmp_path / "none", state=tmp_path / "state", listen="127.0.0.1:0")
    with pytest.raises(OSError):
        await serve(settings, stop=asyncio.Event(), on_listening=print)


async def test_two_tokens_are_none(tmp_path):
    async with running(tmp_path, token="secret") as (url, _):
        headers = [("Authorization", bearer("secret")), ("Authorization", bearer("other"))]
        with pytest.raises(InvalidStatus) as caught:
            await connect(url, additional_headers=headers, proxy=None)
        assert caught.value.response.status_code == 401


async def test_one_hub_a_state(tmp_path):
    root, state = tmp_path / "root", tmp_path / "state"
    settings = HubSettings(root=root, state=state, listen="127.0.0.1:0")
    async with running(tmp_path):
        with pytest.raises(StateBusy, match=f"another hub or client is at work in {state}"):
            await serve(settings, stop=asyncio.Event(), on_listening=print)


async def test_a_replica_is_published_beside_its_client_but_not_from_its_state(tmp_path):
    root = tmp_path / "root"
    with closing(Replica.open(root)):
        settings = HubSettings(root=root, state=root / ".pyzsync", listen="127.0.0.1:0")
        with pytest.raises(StateBusy):
            await serve(settings, stop=asyncio.Event(), on_listening=print)
        stop = asyncio.Event()
        settings = HubSettings(root=root, listen="127.0.0.1:0")
        await serve(settings, stop=stop, on_listening=lambda url: stop.set())
        assert (root / ".pyzsync" / "hub" / "hub.sqlite").exists()


async def test_an_unfinished_first_scan_is_served_to_nobody(tmp_path, monkeypatch):
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "a").write_bytes(b"a")

    def full(index, records):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(HubIndex, "commit", full)
        async with running(tmp_path, retry_after_s=2) as (url, _), opened(url) as websocket:
            await websocket.send(codec.encode(Hello((1,), (), "test")))
            goodbye = await hear(websocket, Goodbye)
            assert (goodbye.code, goodbye.retry_after_ms) == (Code.HALTED, 2000)
    async with running(tmp_path) as (url, _), opened(url) as websocket:
        await greeted(websocket)


async def test_a_pipe_for_an_ignore_file_is_told(tmp_path):
    (tmp_path / "root").mkdir()
    os.mkfifo(tmp_path / "root" / ".pyzsyncignore")
    with pytest.raises(BadIgnoreFile, match="is not a regular file"):
        async with running(tmp_path):
            pass
