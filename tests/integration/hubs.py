"""A whole hub in this process, its counters, and clients that only speak."""

import asyncio
from collections import Counter
from contextlib import asynccontextmanager
from dataclasses import asdict

import structlog
from websockets.asyncio.client import connect

from protocol import codec
from protocol.messages import Announce, Get, Hello
from pyzsync_daemon.client.daemon import follow
from pyzsync_daemon.config import ClientSettings, HubSettings
from pyzsync_daemon.hub.server import serve
from pyzsync_daemon.progress import Progress
from pyzsync_daemon.transport import WEBSOCKET, decode

PATIENCE = 60  # seconds until a test that hangs fails; nothing waits for it to pass


class RunningHub:
    """What a test sees of it."""

    def __init__(self, root, url, stop, count, lines):
        self.root, self.url, self.stop = root, url, stop
        self._count, self._lines = count, lines

    async def counters(self):
        """The counters as the hub logs them."""
        self._lines.clear()
        self._count.set()
        while not (told := self._told()):  # noqa: ASYNC110 - logged in a turn of this loop
            await asyncio.sleep(0)
        return Counter({key: value for key, value in told.items() if isinstance(value, int)})

    async def until(self, condition):
        """Wait until the counters are as they should be, and return them."""
        while not condition(found := await self.counters()):  # noqa: ASYNC110 - as above
            await asyncio.sleep(0.01)
        return found

    def put(self, path, data):
        """Put a file in place whole, so that there is no version in between."""
        aside = self.root.with_name("aside")
        aside.write_bytes(data)
        aside.rename(self.root / path)

    def _told(self):
        return next((line for line in self._lines if line["event"] == "counters"), None)


@asynccontextmanager
async def running(place, files, **settings):
    """A hub that publishes ``place/root``, in which at first are some files."""
    root = place / "root"
    root.mkdir(exist_ok=True)
    for name, data in files.items():
        (root / name).write_bytes(data)
    settings = HubSettings(root=root, state=place / "state", listen="127.0.0.1:0", **settings)
    stop, count = asyncio.Event(), asyncio.Event()
    url = asyncio.get_running_loop().create_future()
    async with asyncio.timeout(PATIENCE):
        with structlog.testing.capture_logs() as lines:
            told = url.set_result
            task = asyncio.create_task(serve(settings, stop=stop, count=count, on_listening=told))
            await asyncio.wait([task, url], return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                await task
            try:
                yield RunningHub(root, await url, stop, count, lines)
            finally:
                stop.set()
                await task


async def once(hub, replica):
    """A real client brings ``replica`` up to date; returns what it did, as numbers."""
    settings = ClientSettings(root=replica, hub=hub.url)
    summary = await follow(settings, once=True, progress=Progress(), stop=asyncio.Event())
    return asdict(summary)


class Bare:
    """A client without a replica: it says what it is told to, and remembers what it heard."""

    def __init__(self, websocket):
        self.websocket = websocket
        self.position = None
        self.heard = []
        self.frames = 0

    async def greet(self, position=None):
        await self.websocket.send(codec.encode(Hello((1,), (), "bare", position=position)))
        await self.level()

    async def level(self):
        """Read up to the next position; returns what was heard on the way."""
        before = len(self.heard)
        while not any(isinstance(each, Announce) and each.position for each in self.heard[before:]):
            await self.hear()
        return self.heard[before:]

    async def ask(self, *queries):
        await self.websocket.send(codec.encode(Get(queries)))

    async def hear(self):
        """Read one frame."""
        for message in decode(await self.websocket.recv()):
            self.heard.append(message)
            if isinstance(message, Announce) and message.position:
                self.position = message.position
        self.frames += 1

    def of(self, kind):
        return [message for message in self.heard if isinstance(message, kind)]


@asynccontextmanager
async def bare(hub):
    async with connect(hub.url, proxy=None, **WEBSOCKET) as websocket:
        yield Bare(websocket)
