import asyncio
from urllib.parse import urlsplit

import pytest

from pyzsync_daemon.demo.relay import Relay


async def test_counts_both_directions():
    async def answer(reader, writer):
        writer.write(await reader.readexactly(1000) * 3)
        await writer.drain()
        writer.close()

    hub = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with hub, Relay(*hub.sockets[0].getsockname()) as relay:
        address = urlsplit(relay.url)
        reader, writer = await asyncio.open_connection(address.hostname, address.port)
        writer.write(b"x" * 1000)
        assert await reader.read() == b"x" * 3000
        writer.close()
        assert relay.carried == 4000


async def test_without_a_hub_the_client_is_cut():
    async with Relay("127.0.0.1", 1) as relay:
        address = urlsplit(relay.url)
        reader, writer = await asyncio.open_connection(address.hostname, address.port)
        assert await reader.read() == b""
        writer.close()
        assert relay.carried == 0


async def test_its_end_cuts_what_it_carries():
    arrived = asyncio.Event()

    async def wait(reader, writer):
        await reader.readexactly(1)
        arrived.set()
        await reader.read()
        writer.close()

    async with await asyncio.start_server(wait, "127.0.0.1", 0) as hub:
        async with Relay(*hub.sockets[0].getsockname()) as relay:
            address = urlsplit(relay.url)
            reader, writer = await asyncio.open_connection(address.hostname, address.port)
            writer.write(b"x")
            await arrived.wait()
        assert await reader.read() == b""
        writer.close()


def test_has_no_url_before_it_is_open():
    with pytest.raises(RuntimeError, match="not open"):
        _ = Relay("h", 1).url
