import pytest

from pyzsync_daemon.loadtest import puller
from pyzsync_daemon.loadtest.hub import HubProcess
from pyzsync_daemon.loadtest.puller import LARGE, Puller, write_large


@pytest.mark.parametrize("size", [0, 1, 2**20, 2**21 + 5])
def test_a_large_file_is_as_large_as_it_should_be(tmp_path, size):
    write_large(tmp_path, size)
    assert (tmp_path / LARGE).stat().st_size == size


def test_no_two_of_its_windows_are_equal(tmp_path):
    write_large(tmp_path, 4 * 2**20)
    data = (tmp_path / LARGE).read_bytes()
    windows = {data[at : at + 2**20] for at in range(0, len(data), 2**20)}
    assert len(windows) == 4


async def test_it_is_under_way_when_it_has_started_and_can_be_broken_off(
    root, tmp_path, monkeypatch
):
    write_large(root, 200 * 2**20)
    monkeypatch.setattr(puller, "_UNDER_WAY", 2**20)
    hub = HubProcess(root, tmp_path, 10, None)
    large = Puller(tmp_path / "puller")
    try:
        await hub.start()
        await large.start(hub, None)
        assert (await hub.counters()).bytes_out > 2**20
        assert not large.over
        await large.stop()
    finally:
        await hub.stop()


async def test_a_pull_that_is_over_says_so(root, tmp_path):
    hub = HubProcess(root, tmp_path, 10, None)
    small = Puller(tmp_path / "puller")
    try:
        await hub.start()
        await small.start(hub, None)
        assert small.over
        await small.stop()
    finally:
        await hub.stop()
