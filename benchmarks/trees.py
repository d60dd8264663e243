"""Many small files, and the latency of single edits: a real hub and a real client."""

from __future__ import annotations

import asyncio
import os
import random
import statistics
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from pyzsync_daemon.demo.processes import Daemon
from pyzsync_daemon.demo.trees import differ

FILES = 10_000
FILE_BYTES = 3_600
EDITED = "edited.bin"
EDITED_SIZE = 10_000_000
EDITS = 60
BOUND = 120.0  # seconds


def fill(root: Path) -> None:
    """Small files in a hundred directories: half of each is noise, half is not."""
    pick = random.Random(1)
    for number in range(FILES):
        path = root / f"{number % 100:02}/{number:05}.dat"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(
            pick.randbytes(FILE_BYTES // 2) + bytes([number % 251]) * (FILE_BYTES // 2)
        )


@asynccontextmanager
async def hub_on(root: Path, work: Path) -> AsyncIterator[str]:
    """A hub that has read ``root``; yields its URL."""
    hub = await Daemon.start("hub", ["hub", str(root), "--listen", "127.0.0.1:0"], work / "hub.log")
    try:
        yield await hub.listening(BOUND)
    finally:
        await hub.stop(30)


async def first_sync(root: Path, work: Path, runs: int) -> float:
    """Median seconds of ``pyzsync client --once`` into an empty directory."""
    times = []
    for number in range(runs):
        # What was copied before stays: for minutes after files were deleted, ext4 without a journal
        # looks long for free inodes, and a copy takes 3.5 s instead of 0.6. And the hub is a new
        # one, which has answered nobody yet.
        replica = work / f"replica-{number}"
        replica.mkdir()
        async with hub_on(root, work) as url:
            started = time.perf_counter()
            arguments = ["client", str(replica), "--hub", url, "--once"]
            client = await Daemon.start("client", arguments, work / "client.log")
            if code := await client.wait(BOUND):
                raise client.ended(code)
            times.append(time.perf_counter() - started)
        if (found := differ(root, replica, "")) is not None:
            raise RuntimeError(f"the replica differs: {found}")
    return statistics.median(times)


async def latencies(work: Path) -> list[float]:
    """Seconds from the end of a 1 KiB write in a 10 MB file until the client's file shows it."""
    root, replica = work / "edited-hub", work / "edited-replica"
    for place in (root, replica):
        place.mkdir()
    (root / EDITED).write_bytes(random.Random(0).randbytes(EDITED_SIZE))
    async with hub_on(root, work) as url:
        arguments = ["client", str(replica), "--hub", url]
        client = await Daemon.start("client", arguments, work / "client.log")
        try:
            async with asyncio.timeout(BOUND):
                while differ(root, replica, EDITED) is not None:
                    await asyncio.sleep(0.02)
            await asyncio.sleep(3)  # the first copy's record is believed from then on
            return await _edit(root / EDITED, replica / EDITED)
        finally:
            await client.stop(30)


async def _edit(path: Path, copy: Path) -> list[float]:
    rng, times = random.Random(1), []
    for _ in range(EDITS):
        offset, data = rng.randrange(EDITED_SIZE - 1024), rng.randbytes(1024)
        with path.open("r+b") as file:
            file.seek(offset)
            file.write(data)
        written = time.perf_counter()
        async with asyncio.timeout(BOUND):
            while not _shows(copy, offset, data):
                await asyncio.sleep(0.0005)
        times.append(time.perf_counter() - written)
        await asyncio.sleep(rng.uniform(0.3, 0.6))  # edits of a person, not a stream of writes
    return times


def _shows(path: Path, offset: int, data: bytes) -> bool:
    try:
        with path.open("rb") as file:
            return os.pread(file.fileno(), len(data), offset) == data
    except FileNotFoundError:
        return False
