"""What ``pyzsync blueprint`` predicts is what travels: counted at the socket, both ways."""

import random
from contextlib import asynccontextmanager

import pytest

from pyzsync_daemon.cli.measure import plan
from pyzsync_daemon.demo.processes import Daemon
from pyzsync_daemon.demo.relay import Relay

BOUND = 60.0
NAME = "a file"
WORDS = [random.Random(word).randbytes(5).hex().encode() for word in range(900)]


def text(size, seed):
    """Bytes that compress as text does."""
    pick = random.Random(seed)
    return b" ".join(pick.choices(WORDS, k=size // 11 + 1))[:size]


OLD = text(2_000_000, 1) + random.Random(2).randbytes(2_000_000)
EDITED = bytearray(OLD)
for at in range(50_000, len(OLD), 61_111):
    EDITED[at : at + 9] = b"an edit of"
NEW = bytes(EDITED[:1_200_000]) + text(600_000, 3) + bytes(EDITED[1_200_300:]) + text(70_000, 4)


@asynccontextmanager
async def hub(tmp_path):
    """A hub behind a relay that counts."""
    arguments = ["hub", str(tmp_path / "hub"), "--listen", "127.0.0.1:0"]
    daemon = await Daemon.start("hub", arguments, tmp_path / "hub.log")
    try:
        host, port = (await daemon.listening(BOUND)).removeprefix("ws://").split(":")
        async with Relay(host, int(port)) as relay:
            yield relay
    finally:
        await daemon.stop(BOUND)


async def once(tmp_path, relay):
    """A client from its start to its end; the bytes."""
    before = relay.carried
    arguments = ["client", str(tmp_path / "replica"), "--hub", relay.url, "--once"]
    client = await Daemon.start("client", arguments, tmp_path / "client.log")
    code = await client.wait(BOUND)
    assert code == 0, client.tail()
    return relay.carried - before


@pytest.fixture
def roots(tmp_path):
    for name in ("hub", "replica", "files"):
        (tmp_path / name).mkdir()
    (tmp_path / "files/old").write_bytes(OLD)
    (tmp_path / "files" / NAME).write_bytes(NEW)
    return tmp_path


@pytest.fixture
def predicted(roots):
    return plan(roots / "files/old", roots / "files" / NAME)


async def test_pull(roots, predicted):
    (roots / "hub" / NAME).write_bytes(NEW)
    (roots / "replica" / NAME).write_bytes(OLD)
    async with hub(roots) as relay:
        carried = await once(roots, relay)
        connecting = await once(roots, relay)  # nothing is left to do
    assert (roots / "replica" / NAME).read_bytes() == NEW
    assert carried - connecting == pytest.approx(predicted.pull_bytes, rel=0.01)
    assert predicted.pull_bytes < len(NEW) // 4


async def test_push(roots, predicted):
    (roots / "hub" / NAME).write_bytes(OLD)
    async with hub(roots) as relay:
        await once(roots, relay)
        connecting = await once(roots, relay)
        before = relay.carried
        (roots / "files" / NAME).rename(roots / "hub" / NAME)
        carried = 0
        while (roots / "replica" / NAME).read_bytes() != NEW:
            carried = await once(roots, relay)
    assert relay.carried - before - connecting == pytest.approx(predicted.push_bytes, rel=0.01)
    assert carried
    assert predicted.push_bytes < predicted.pull_bytes
