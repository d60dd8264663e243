import pytest

from pyzsync_daemon.demo.processes import Daemon, DaemonEnded


async def test_a_process_that_ends_too_soon_tells_its_log(tmp_path):
    log = tmp_path / "hub.log"
    hub = await Daemon.start("hub", ["hub", "--no-such-option"], log)
    with pytest.raises(DaemonEnded) as caught:
        await hub.listening(60)
    assert await hub.stop(60) == 2
    with pytest.raises(DaemonEnded):
        hub.check()
    assert "No such option" in str(caught.value)


async def test_the_environment_of_the_demo_does_not_reach_its_daemons(tmp_path, monkeypatch):
    monkeypatch.setenv("PYZSYNC_CLIENT__HUB", "nowhere")  # would be refused with another sentence
    log = tmp_path / "client.log"
    client = await Daemon.start("client", ["client", str(tmp_path)], log)
    assert await client.stop(60) in (2, -15)
    assert "nowhere" not in log.read_text()
    with pytest.raises(RuntimeError):
        await client.listening(1)


async def test_the_log_is_kept_when_its_file_is_gone(tmp_path):
    log = tmp_path / "log"
    hub = await Daemon.start("hub", ["hub", "--help"], log)
    await hub.stop(60)
    log.write_text("".join(f"line {number}\n" for number in range(20)))
    error = hub.ended(1)
    log.unlink()
    told = str(error).splitlines()
    assert told[0] == "hub ended with exit code 1; its log:"
    assert told[1:] == [f"line {number}" for number in range(8, 20)]
