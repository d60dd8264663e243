"""Bytes at the socket, both ways, framing included: a real hub, a real client, a relay between.

push    the client holds OLD, which the hub has just replaced by NEW
pull    the client begins with OLD in its directory; the hub has only ever had NEW

Beside them the peak memory of both processes, with reading and hashing the file.
"""

from __future__ import annotations

import asyncio
import re
import shutil
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from pyzsync_daemon.demo.processes import Daemon
from pyzsync_daemon.demo.relay import Relay

NAME = "release.tar"
BOUND = 900.0  # seconds


@dataclass(frozen=True, slots=True)
class Carried:
    """What one way took. ``peaks``: most resident bytes of hub and client."""

    bytes: int
    seconds: float
    hub_peak: int
    client_peak: int


class Place:
    """A hub's root and a client's, on one file system."""

    def __init__(self, work: Path, old: Path, new: Path) -> None:
        self.work, self.old, self.new = work, old, new
        self.hub, self.replica = work / "hub", work / "replica"

    def lay(self, hub: Path, replica: Path) -> None:
        """Begin anew with these files."""
        for root, source in ((self.hub, hub), (self.replica, replica)):
            shutil.rmtree(root, ignore_errors=True)
            root.mkdir(parents=True)
            shutil.copyfile(source, root / NAME)

    def publish(self, source: Path) -> None:
        """Replace the hub's file, as an editor does."""
        staged = self.work / "staged"
        shutil.copyfile(source, staged)
        staged.replace(self.hub / NAME)

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[tuple[Daemon, Relay]]:
        """A hub on the root, and the relay to reach it by."""
        arguments = ["hub", str(self.hub), "--listen", "127.0.0.1:0"]
        hub = await Daemon.start("hub", arguments, self.work / "hub.log")
        try:
            host, port = (await hub.listening(BOUND)).removeprefix("ws://").split(":")
            async with Relay(host, int(port)) as relay:
                yield hub, relay
        finally:
            await hub.stop(30)

    async def adopt(self, relay: Relay) -> None:
        """A client that brings the replica up to date, and ends."""
        arguments = ["client", str(self.replica), "--hub", relay.url, "--once"]
        client = await Daemon.start("client", arguments, self.work / "client.log")
        if code := await client.wait(BOUND):
            raise client.ended(code)

    @asynccontextmanager
    async def following(self, relay: Relay) -> AsyncIterator[Daemon]:
        """A client on the replica."""
        arguments = ["client", str(self.replica), "--hub", relay.url]
        client = await Daemon.start("client", arguments, self.work / "client.log")
        try:
            yield client
        finally:
            await client.stop(30)


def same(left: Path, right: Path) -> bool:
    """Equal bytes?"""
    if left.stat().st_size != right.stat().st_size:
        return False
    with left.open("rb") as a, right.open("rb") as b:
        while piece := a.read(1 << 20):
            if piece != b.read(1 << 20):
                return False
    return True


def peak(pid: int) -> int:
    """Most resident bytes of a process that runs."""
    status = Path(f"/proc/{pid}/status").read_text()
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    return int(found[1]) * 1024 if found else 0


async def until(condition: Callable[[], bool]) -> None:
    """Wait for it."""
    async with asyncio.timeout(BOUND):
        while not condition():
            await asyncio.sleep(0.02)


async def _quiet(relay: Relay) -> None:
    """Wait until nothing has travelled for a second."""
    seen = -1
    while seen != relay.carried:
        seen = relay.carried
        await asyncio.sleep(1)


async def push(place: Place) -> Carried:
    """One version behind, connected."""
    place.lay(place.old, place.old)
    async with place.serving() as (hub, relay):
        # One that ends has adopted the file. Its record is believed once it is older than a file
        # system's clock may be wrong.
        await place.adopt(relay)
        await asyncio.sleep(3)
        before = relay.carried
        async with place.following(relay) as client:
            await until(lambda: relay.carried > before)
            await _quiet(relay)
            return await _until_replaced(
                place, hub, client, relay, lambda: place.publish(place.new)
            )


async def pull(place: Place) -> Carried:
    """An old file that the hub does not know."""
    place.lay(place.new, place.old)
    async with place.serving() as (hub, relay):
        inode = (place.replica / NAME).stat().st_ino
        async with place.following(relay) as client:
            return await _until_replaced(place, hub, client, relay, lambda: None, inode)


async def _until_replaced(
    place: Place,
    hub: Daemon,
    client: Daemon,
    relay: Relay,
    change: Callable[[], None],
    inode: int = 0,
) -> Carried:
    path = place.replica / NAME
    inode = inode or path.stat().st_ino
    before, started = relay.carried, time.perf_counter()
    change()
    await until(lambda: path.stat().st_ino != inode)
    seconds = time.perf_counter() - started
    await asyncio.sleep(0.5)  # the acknowledgement
    if not same(path, place.new):
        raise RuntimeError("the replica is not what the hub has")
    return Carried(relay.carried - before, seconds, peak(hub.pid), peak(client.pid))


Way = Callable[[Place], Coroutine[None, None, Carried]]
"""``push`` or ``pull``."""
