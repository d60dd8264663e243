import pytest

from pyzsync_daemon.loadtest.changes import KINDS
from pyzsync_daemon.loadtest.measuring import caught_up, measure
from pyzsync_daemon.loadtest.options import HERDS, Options
from pyzsync_daemon.loadtest.stand import Stand


@pytest.fixture(scope="module", params=[True, False], ids=["memory", "disk"])
def options(request):
    return Options(
        clients=4, files=3, file_size=60_000, change_size=5000, memory=request.param, patience=60
    )


async def test_every_kind_of_round_reaches_everybody(options, tmp_path):
    async with Stand.open(options, tmp_path) as stand:
        for kind in (*KINDS, *HERDS):
            done = await measure(stand, kind)
            assert (done.change, done.behind, len(done.latencies)) == (kind, 0, 4)
            assert done.times.first >= 0
            assert done.hub_cpu_s > 0 or kind == "rename"  # that may be less than idling varies
            assert done.hub_peak_rss_bytes > 10_000_000
            if kind in KINDS:
                least = done.least_bytes_per_client
                assert least * 0.9 < done.bytes_per_client
                assert done.counters.hash_passes >= (kind != "rename")
            assert (done.peer("bare") is not None) is (kind != "restart")
        await caught_up(stand)
        assert await stand.workers.all("differences", root=str(stand.root)) == [[], []]


async def test_who_does_not_read_does_not_count(tmp_path):
    options = Options(
        clients=4, file_size=60_000, change_size=5000, memory=True, slow=2, bare=False
    )
    async with Stand.open(options, tmp_path) as stand:
        done = await measure(stand, "edit")
        assert (done.behind, len(done.latencies)) == (0, 2)
        await stand.pause(0)
        await caught_up(stand)
        assert await stand.workers.all("differences", root=str(stand.root)) == [[], []]


async def test_peers_are_measured_beside(tmp_path):
    options = Options(clients=2, file_size=60_000, change_size=5000, daemons=1, pulls=1)
    async with Stand.open(options, tmp_path) as stand:
        done = await measure(stand, "edit")
    assert done.peer("1 daemons").times.last > 0
    assert done.peer("1 daemons").note == "real processes"
    assert (done.peer("rsync") is not None) is (stand.rsync is not None)
