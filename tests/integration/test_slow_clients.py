"""Clients that do not read, or read without end, on a whole hub: what they cost, and whom."""

import asyncio
import gc
import random
import socket
from contextlib import AsyncExitStack, asynccontextmanager
from urllib.parse import urlsplit

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from protocol import runs
from protocol.messages import Announce, BlockQuery, Blocks, Delta, Goodbye
from pyzsync.grid import WINDOW, WINDOW_LEAVES
from pyzsync_daemon.hub import connection
from pyzsync_daemon.hub.connection import SOCKET, Connection
from pyzsync_daemon.hub.log import PAGE_BYTES
from pyzsync_daemon.hub.pushes import LEARNED_BYTES, PUSH_BYTES
from pyzsync_daemon.transport import WEBSOCKET
from tests.integration.hubs import Bare, bare, running

READERS, SLEEPERS, CHANGES = 20, 5, 60
SIZE, EDIT = 150_000, 100_000


def noise(seed, size):
    return random.Random(seed).randbytes(size)


def many_files():
    """One for each change: a file that goes on changing is announced ever more rarely."""
    return {f"f{number}": noise(number, SIZE) for number in range(CHANGES)}


def edit(hub, files, number):
    name = f"f{number}"
    hub.put(name, noise(name, EDIT) + files[name][EDIT:])


@asynccontextmanager
async def sleeper(hub):
    """A client that greets, and then reads nothing until it is told to."""
    address = urlsplit(hub.url)
    with socket.socket() as made:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16 * 1024)
        made.setblocking(False)
        await asyncio.get_running_loop().sock_connect(made, (address.hostname, address.port))
        async with connect(hub.url, sock=made, proxy=None, **WEBSOCKET) as websocket:
            client = Bare(websocket)
            await client.greet()
            websocket.transport.pause_reading()
            try:
                yield client
            finally:
                websocket.transport.abort()


def held():
    """Bytes that each connection of a hub in this process has yet to send."""
    connections = [each for each in gc.get_objects() if type(each) is Connection]
    return [each.unsent + each._outbox.bytes for each in connections]


async def test_who_does_not_read_costs_a_bounded_amount_and_delays_nobody(tmp_path):
    files = many_files()
    settings = {"send_timeout_s": 3.0, "inflight_bytes": 2 * 2**20}
    async with running(tmp_path, files, **settings) as hub, AsyncExitStack() as stack:
        readers = [await stack.enter_async_context(bare(hub)) for _ in range(READERS)]
        for reader in readers:
            await reader.greet()
        sleepers = [await stack.enter_async_context(sleeper(hub)) for _ in range(SLEEPERS)]
        most = 0
        for number in range(CHANGES):
            edit(hub, files, number)
            news = await asyncio.gather(*(reader.level() for reader in readers))
            # Nobody who reads goes without its delta because of those who do not.
            assert all(any(isinstance(each, Delta) for each in heard) for heard in news)
            most = max(most, *held())
            counted = await hub.counters()
            assert counted["inflight_bytes"] <= settings["inflight_bytes"]
        assert most <= SOCKET + PAGE_BYTES + PUSH_BYTES + LEARNED_BYTES
        counted = await hub.until(lambda told: told["clients"] == READERS)
        assert counted["slow_cut"] == SLEEPERS
        assert counted["behind"] == READERS  # these never acknowledge anything
        for each in sleepers:
            each.websocket.transport.resume_reading()
            with pytest.raises(ConnectionClosed):
                while True:
                    await each.hear()
            # It is cut; a goodbye would only have queued behind the rest.
            assert each.of(Goodbye) == []


async def test_a_slow_client_loses_deltas_before_announcements(tmp_path, monkeypatch):
    monkeypatch.setattr(connection, "STALL", 0)  # whoever is waited for at all is slow
    files = many_files()
    async with running(tmp_path, files) as hub, bare(hub) as reader, sleeper(hub) as slow:
        await reader.greet()
        for number in range(CHANGES):
            edit(hub, files, number)
            await reader.level()
        assert max(held()) > WEBSOCKET["write_limit"]
        slow.websocket.transport.resume_reading()
        while slow.position != reader.position:
            await slow.hear()
        told = {change.version for each in slow.of(Announce) for change in each.changes}
        everything = {change.version for each in reader.of(Announce) for change in each.changes}
        assert told == everything
        given = [{part.query.new for part in each.of(Delta)} for each in (slow, reader)]
        assert len(given[0]) < len(given[1]) == CHANGES  # of the others it is told, and pulls
        assert (await hub.counters())["pushes_dropped"] > 0


async def test_a_client_that_pulls_a_huge_file_does_not_starve_the_others(tmp_path):
    windows = 24
    files = {"huge": noise(5, windows * WINDOW), "small": noise(6, 1000)}
    async with running(tmp_path, files) as hub, bare(hub) as greedy, bare(hub) as modest:
        for client in (greedy, modest):
            await client.greet()
        versions = {c.path: c.version for each in modest.of(Announce) for c in each.changes}
        every = runs.whole(WINDOW_LEAVES)
        await greedy.ask(*(BlockQuery(versions["huge"], each, every) for each in range(windows)))
        await greedy.hear()

        async def pull():
            while len(greedy.of(Blocks)) < windows * greedy.of(Blocks)[0].parts:
                await greedy.hear()

        pulling = asyncio.create_task(pull())
        await modest.ask(BlockQuery(versions["small"], 0, runs.whole(2)))
        while not modest.of(Blocks):
            await modest.hear()
        assert not pulling.done()
        (tmp_path / "root" / "news").write_bytes(b"new")
        await modest.level()
        assert not pulling.done()
        await pulling
