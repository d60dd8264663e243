"""A whole client in this process, and a hub that says by hand what the test wants."""

import asyncio
import socket
from contextlib import asynccontextmanager

import pytest
import structlog
from websockets.asyncio.server import serve

from protocol import codec
from protocol.errors import BadMessage, Code
from protocol.messages import Ack, Announce, Goodbye, Hello
from pyzsync_daemon.client.backoff import Backoff
from pyzsync_daemon.client.daemon import follow
from pyzsync_daemon.client.session import ClientSession, Phase
from pyzsync_daemon.config import ClientSettings
from pyzsync_daemon.errors import HubRefused, HubUnreachable, NotUpToDate
from pyzsync_daemon.transport import WEBSOCKET, decode
from tests.pyzsync_daemon.client.values import absent, directory, position, welcome

PATIENCE = 30  # seconds until a test that hangs fails


class Hub:
    """Answers the n-th connection's Hello with the n-th of ``scripts`` (the last one for all
    after it), then listens."""

    def __init__(self, *scripts):
        self.scripts = scripts
        self.hellos = []
        self.acks = asyncio.Queue()

    async def handle(self, websocket):
        script = self.scripts[min(len(self.hellos), len(self.scripts) - 1)]
        async for frame in websocket:
            for message in decode(frame):
                if isinstance(message, Hello):
                    self.hellos.append(message)
                    await websocket.send(b"".join(map(codec.encode, script)))
                    if isinstance(script[-1], Goodbye):
                        return
                elif isinstance(message, Ack):
                    self.acks.put_nowait(message.seq)


@asynccontextmanager
async def playing(tmp_path, hub):
    """The settings of a client of ``hub``, which retries without waiting long."""
    async with asyncio.timeout(PATIENCE), serve(hub.handle, "127.0.0.1", 0, **WEBSOCKET) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        yield settings_for(tmp_path, port)


def settings_for(tmp_path, port):
    return ClientSettings(
        hub=f"ws://127.0.0.1:{port}",
        root=tmp_path / "replica",
        backoff_min_s=0.001,
        backoff_max_s=0.01,
    )


def once(settings):
    return follow(settings, once=True, progress=lambda *_: None, stop=asyncio.Event())


def tell(*changes, at):
    return (welcome(resumed=False), Announce(changes, position(at), snapshot=True))


async def test_once_is_level_and_ends(tmp_path):
    hub = Hub(tell(directory("a", 1), directory("b", 2), at=2))
    async with playing(tmp_path, hub) as settings:
        summary = await once(settings)
    assert summary.applied == 2
    assert summary.received > 0 < summary.sent
    assert (tmp_path / "replica" / "a").is_dir()
    assert (tmp_path / "replica" / "b").is_dir()


async def test_the_position_and_the_hub_are_remembered(tmp_path):
    hub = Hub(tell(directory("a", 1), at=1), (welcome(), Announce((), position(1))))
    async with playing(tmp_path, hub) as settings:
        await once(settings)
        await once(settings)
    assert [(hello.hub, hello.position) for hello in hub.hellos] == [
        (b"", None),
        (welcome().hub, position(1)),
    ]


async def test_a_hub_that_drains_is_found_again(tmp_path):
    leaving = (welcome(resumed=False), Goodbye(Code.DRAINING, "the hub stops", 1))
    hub = Hub(leaving, leaving, tell(directory("a", 1), at=1))
    async with playing(tmp_path, hub) as settings:
        await once(settings)
    assert len(hub.hellos) == 3


async def test_a_hub_that_misbehaves_is_tried_again(tmp_path):
    hub = Hub((Ack(1),), tell(directory("a", 1), at=1))
    with structlog.testing.capture_logs() as log:
        async with playing(tmp_path, hub) as settings:
            await once(settings)
    (line,) = (line for line in log if line["log_level"] == "error")
    assert line["reason"].startswith("Ack is not expected while greeting")


async def test_a_hub_whose_fault_is_found_later_is_tried_again(tmp_path, monkeypatch):
    """What the session finds when it is asked what to do next is not lost in the event loop."""
    hub = Hub(tell(directory("a", 1), at=1))
    take, faults = ClientSession.take, [BadMessage("Delta", "parts that differ")]

    def taken(self, now):
        if self.phase is Phase.SYNCING and faults:
            raise faults.pop()
        return take(self, now)

    monkeypatch.setattr(ClientSession, "take", taken)
    with structlog.testing.capture_logs() as log:
        async with playing(tmp_path, hub) as settings:
            await once(settings)
    (line,) = (line for line in log if line["log_level"] == "error")
    assert line["reason"].startswith("Delta: parts that differ")
    assert len(hub.hellos) == 2


async def test_a_defect_that_is_found_later_ends_the_client(tmp_path, monkeypatch):
    hub = Hub(tell(directory("a", 1), at=1))
    take = ClientSession.take

    def taken(self, now):
        if self.phase is Phase.SYNCING:
            raise RuntimeError("a defect")
        return take(self, now)

    monkeypatch.setattr(ClientSession, "take", taken)
    async with playing(tmp_path, hub) as settings:
        with pytest.raises(RuntimeError, match="a defect"):
            await once(settings)


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ((Goodbye(Code.UNAUTHORIZED, "not you"),), "not you"),
        ((welcome(protocol=2),), "this client speaks protocol 1, the hub 2"),
    ],
)
async def test_a_hub_that_refuses_ends_the_client(tmp_path, script, reason):
    async with playing(tmp_path, Hub(script)) as settings:
        with pytest.raises(HubRefused) as caught:
            await follow(settings, once=False, progress=print, stop=asyncio.Event())
    assert caught.value.reason == reason


async def test_another_hub_at_the_address_is_refused_unless_it_is_allowed(tmp_path):
    other = (welcome(resumed=False, hub=32 * b"x"), Announce((), position(1), snapshot=True))
    hub = Hub(tell(at=1), other)
    async with playing(tmp_path, hub) as settings:
        await once(settings)
        with pytest.raises(HubRefused):
            await once(settings)
        await once(settings.model_copy(update={"accept_new_hub": True}))
    assert hub.hellos[-1].hub == b""


async def test_once_does_not_wait_for_a_hub_that_is_not_there(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as held:
        port = held.getsockname()[1]
    with pytest.raises(HubUnreachable):
        await once(settings_for(tmp_path, port))


async def test_deletions_that_are_held_back_are_told_and_not_up_to_date(tmp_path):
    full = [directory(f"d{n}", n + 1) for n in range(50)]
    hub = Hub(tell(*full, at=50), tell(at=1))
    with structlog.testing.capture_logs() as log:
        async with playing(tmp_path, hub) as settings:
            await once(settings)
            with pytest.raises(NotUpToDate) as caught:
                await once(settings)
    assert caught.value.failed == 1
    assert [line["path"] for line in log if line["event"] == "not applied"] == ["."]
    assert (tmp_path / "replica" / "d0").is_dir()


async def test_a_client_that_follows_goes_on_until_it_is_stopped(tmp_path):
    hub = Hub((*tell(directory("a", 1), at=1), Announce((absent("a", 2),), position(2))))
    stop = asyncio.Event()
    async with playing(tmp_path, hub) as settings:
        running = asyncio.create_task(follow(settings, once=False, progress=print, stop=stop))
        while await hub.acks.get() < 2:
            assert not running.done()
        stop.set()
        await running
    assert not (tmp_path / "replica" / "a").exists()


@pytest.mark.parametrize(("told", "growing"), [(True, False), (False, True)])
async def test_only_a_connection_that_was_of_use_ends_the_backoff(
    tmp_path, monkeypatch, told, growing
):
    """A hub that greets and goes away is not pressed harder and harder."""
    tries = []
    real = Backoff.next

    def watched(self, retry_after=0.0):
        tries.append(self._tries)
        return real(self, retry_after)

    monkeypatch.setattr(Backoff, "next", watched)
    monkeypatch.setattr("pyzsync_daemon.client.daemon.STOOD_S", 0.0)
    leaving = (Goodbye(Code.DRAINING, "the hub stops", 1),)
    greeting = tell(at=1) if told else (welcome(resumed=False),)
    hub = Hub(*[(*greeting, *leaving)] * 4, tell(directory("a", 1), at=1))
    async with playing(tmp_path, hub) as settings:
        stop = asyncio.Event()
        running = asyncio.create_task(follow(settings, once=False, progress=print, stop=stop))
        while not (tmp_path / "replica" / "a").exists():
            assert not running.done()
            await asyncio.sleep(0.01)
        stop.set()
        await running
    assert (max(tries) > 0) is growing
