import pytest

from pyzsync_daemon.demo.processes import DaemonEnded
from pyzsync_daemon.loadtest.hub import HubProcess


@pytest.fixture
async def hub(root, tmp_path):
    hub = HubProcess(root, tmp_path, 10, None)
    await hub.start()
    yield hub
    await hub.stop()


async def test_it_tells_its_costs_and_what_it_announced(hub, root):
    before = await hub.counters()
    assert (before.clients, before.hash_passes) == (0, 1)
    mark = hub.mark()
    (root / "g").write_bytes(b"x" * 1000)
    await hub.announced("g", mark)
    after = await hub.counters()
    assert after.hash_passes == 2
    assert hub.cpu_seconds > 0


async def test_it_comes_back_at_the_same_address(hub):
    url = hub.url
    await hub.stop()
    with pytest.raises(RuntimeError, match="the hub was not started"):
        hub.pid  # noqa: B018 - reading it is what fails
    await hub.start()
    assert hub.url == url


async def test_a_hub_that_cannot_start_says_why(tmp_path):
    hub = HubProcess(tmp_path / "nowhere", tmp_path, 10, None)
    with pytest.raises(DaemonEnded, match="nowhere"):
        await hub.start()
    await hub.stop()


async def test_what_its_log_does_not_tell_is_not_waited_for_without_end(hub, monkeypatch):
    monkeypatch.setattr("pyzsync_daemon.loadtest.hub.TELL_S", 0.05)
    with pytest.raises(TimeoutError, match=r"the hub's log does not tell within 0\.05 s"):
        await hub.announced("nothing", hub.mark())
