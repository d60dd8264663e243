"""Many changes in a short time, on a whole hub: they are told at a bounded rate, and in batches."""

import asyncio
import time

from protocol.messages import Announce
from pyzsync_daemon.client.daemon import follow
from pyzsync_daemon.config import ClientSettings
from pyzsync_daemon.progress import Progress
from tests.integration.hubs import bare, running

REWRITES = 200
FILES = 2000


async def test_a_file_rewritten_a_hundred_times_a_second_ends_with_its_last_version(tmp_path):
    async with running(tmp_path, {"f": b"first"}) as hub, bare(hub) as client:
        await client.greet()
        before, began = await hub.counters(), time.monotonic()
        for number in range(REWRITES):
            hub.put("f", b"version %d" % number)
            await asyncio.sleep(0.01)
        last = len(b"version %d" % (REWRITES - 1))
        content = (tmp_path / "root" / "f").stat().st_mtime_ns
        while not any(change.mtime_ns == content for change in changes(client)):
            await client.hear()
        seconds = time.monotonic() - began
        spent = await hub.counters()
        spent.subtract(before)
    told = changes(client)
    assert (told[-1].mtime_ns, told[-1].size) == (content, last)
    # At first every 20 ms, then ever more rarely, at last once a second: see hub/settle.py.
    most = 8 + seconds
    assert len(told) <= most < REWRITES
    assert spent["pages"] <= most
    assert spent["hash_passes"] <= 2 * most


def changes(client):
    """What was announced of the file after the snapshot."""
    live = [each for each in client.of(Announce) if not each.snapshot]
    return [change for each in live for change in each.changes]


async def test_thousands_of_files_changed_at_once_travel_in_batches(tmp_path):
    """As a checkout does: to a client that follows, and to one that pulls them."""
    files = {f"f{number}": b"old %d" % number for number in range(FILES)}
    replica = tmp_path / "replica"
    async with running(tmp_path, files) as hub, bare(hub) as client:
        await client.greet()
        settings, stop = ClientSettings(root=replica, hub=hub.url), asyncio.Event()
        following = asyncio.create_task(
            follow(settings, once=False, progress=Progress(), stop=stop)
        )
        await hub.until(lambda told: told["clients"] == 2 and told["behind"] <= 1)
        before, frames = await hub.counters(), client.frames
        for number in range(FILES):
            (tmp_path / "root" / f"f{number}").write_bytes(b"new, and longer %d" % number)
        while len({change.path for change in changes(client)}) < FILES:
            await client.hear()
        announced = client.frames - frames
        # The bare client never acknowledges; the real one is level.
        spent = await hub.until(lambda told: told["behind"] == 1)
        spent.subtract(before)
        stop.set()
        await following
    assert level(replica)
    # Sixty-four files at a time are hashed and committed: these are the batches.
    assert announced <= FILES // 16
    assert spent["frames_out"] <= FILES // 4  # both clients, answers included
    assert spent["pages"] <= FILES // 16


def level(replica):
    return all(
        (replica / f"f{number}").read_bytes() == b"new, and longer %d" % number
        for number in range(FILES)
    )
