"""Bytes at the socket, both ways, framing included: a real hub, a real client, a relay between.

    python benchmarks/wire.py OLD NEW [--work DIR]

push    the client holds OLD, which the hub has just replaced by NEW
pull    the client begins with OLD in its directory; the hub has only ever had NEW
"""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from pyzsync_daemon.demo.processes import Daemon
from pyzsync_daemon.demo.relay import Relay

NAME = "release.tar"
BOUND = 900.0  # seconds


class Place:
    """A hub's root and a client's, on one file system with the inputs."""

    def __init__(self, work: Path, old: Path, new: Path) -> None:
        self.work, self.old, self.new = work, old, new
        self.hub, self.replica = work / "hub", work / "replica"

    def lay(self, hub: Path | None, replica: Path | None) -> None:
        """Begin anew with these files."""
        for root, source in ((self.hub, hub), (self.replica, replica)):
            shutil.rmtree(root, ignore_errors=True)
            root.mkdir(parents=True)
            if source is not None:
                shutil.copyfile(source, root / NAME)

    def publish(self, source: Path) -> None:
        """Replace the hub's file, as an editor does."""
        staged = self.work / "staged"
        shutil.copyfile(source, staged)
        staged.replace(self.hub / NAME)

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[Relay]:
        """A hub on the root, and the relay to reach it by."""
        arguments = ["hub", str(self.hub), "--listen", "127.0.0.1:0"]
        hub = await Daemon.start("hub", arguments, self.work / "hub.log")
        try:
            host, port = (await hub.listening(BOUND)).removeprefix("ws://").split(":")
            async with Relay(host, int(port)) as relay:
                yield relay
        finally:
            await hub.stop(30)

    async def sync(self, relay: Relay) -> tuple[int, float]:
        """One client, from start to end; the bytes and the seconds."""
        before, started = relay.carried, time.perf_counter()
        arguments = ["client", str(self.replica), "--hub", relay.url, "--once"]
        client = await Daemon.start("client", arguments, self.work / "client.log")
        code = await client.wait(BOUND)
        if code:
            raise client.ended(code)
        assert same(self.replica / NAME, self.hub / NAME)
        return relay.carried - before, time.perf_counter() - started


def same(left: Path, right: Path) -> bool:
    """Equal bytes?"""
    if left.stat().st_size != right.stat().st_size:
        return False
    with left.open("rb") as a, right.open("rb") as b:
        while piece := a.read(1 << 20):
            if piece != b.read(1 << 20):
                return False
    return True


async def until(condition: Callable[[], bool]) -> None:
    """Wait for it."""
    async with asyncio.timeout(BOUND):
        while not condition():
            await asyncio.sleep(0.02)


async def push(place: Place) -> tuple[int, float]:
    """One version behind, connected."""
    place.lay(place.old, None)
    async with place.serving() as relay:
        arguments = ["client", str(place.replica), "--hub", relay.url]
        client = await Daemon.start("client", arguments, place.work / "client.log")
        path, size = place.replica / NAME, place.old.stat().st_size
        try:
            await until(lambda: path.exists() and path.stat().st_size == size)
            before = path.stat().st_ino
            # A record is believed once it is older than a file system's clock may be wrong.
            await asyncio.sleep(3)
            carried, started = relay.carried, time.perf_counter()
            place.publish(place.new)
            await until(lambda: path.stat().st_ino != before)
            seconds = time.perf_counter() - started
            await asyncio.sleep(0.5)  # the acknowledgement
        finally:
            await client.stop(30)
        assert same(path, place.new)
        return relay.carried - carried, seconds


async def pull(place: Place) -> tuple[int, float]:
    """An old file that the hub does not know."""
    place.lay(place.new, place.old)
    async with place.serving() as relay:
        return await place.sync(relay)


async def run(place: Place, wanted: list[str]) -> dict[str, dict[str, float]]:
    """All that is wanted."""
    ways = {"push": push, "pull": pull}
    found = {}
    for name in wanted:
        carried, seconds = await ways[name](place)
        found[name] = {"bytes": carried, "seconds": round(seconds, 2)}
        print(f"{name:<8} {carried:>12,} bytes {seconds:>8.1f} s", file=sys.stderr)
    return found


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("old", type=Path)
    parser.add_argument("new", type=Path)
    parser.add_argument("--work", type=Path, help="a directory on a disk with room for four copies")
    parser.add_argument("ways", nargs="*", default=["push", "pull"])
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.work) as work:
        place = Place(Path(work), options.old, options.new)
        print(json.dumps(asyncio.run(run(place, options.ways))))


if __name__ == "__main__":
    main()
