"""A hub in this process, which the load test's clients follow."""

import asyncio
from contextlib import asynccontextmanager

import pytest

from pyzsync_daemon.config import HubSettings
from pyzsync_daemon.hub.server import serve

PATIENCE = 60  # seconds until a test that hangs fails


@asynccontextmanager
async def serving(root, state):
    """The URL of a hub that publishes ``root``."""
    stop = asyncio.Event()
    url = asyncio.get_running_loop().create_future()
    settings = HubSettings(root=root, state=state, listen="127.0.0.1:0", drain_s=0.5)
    hub = asyncio.create_task(serve(settings, stop=stop, on_listening=url.set_result))
    try:
        yield await asyncio.wait_for(url, PATIENCE)
    finally:
        stop.set()
        await hub


@pytest.fixture
def root(tmp_path):
    """What the hub publishes."""
    root = tmp_path / "root"
    root.mkdir()
    (root / "f").write_bytes(b"0123456789" * 1000)
    return root


@pytest.fixture
async def url(root, tmp_path):
    async with serving(root, tmp_path / "hub-state") as url:
        yield url
