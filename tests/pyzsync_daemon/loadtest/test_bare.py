import pytest

from pyzsync_daemon.loadtest.bare import Bare, BareFailed
from pyzsync_daemon.loadtest.certificate import make_certificate
from pyzsync_daemon.loadtest.workers import Workers


@pytest.mark.parametrize("tls", [False, True], ids=["ws", "wss"])
async def test_bytes_go_to_all_connections_and_cost_something(tmp_path, tls):
    workers = Workers()
    await workers.start(2, tmp_path / "worker.log")
    bare = Bare(workers)
    pair, ca = make_certificate(tmp_path) if tls else (None, None)
    try:
        await bare.start(5, pair, ca, 30)
        for size in (200_000, 1):
            done = await bare.round(size, 30)
            assert 0 < done.times.first <= done.times.last
            assert done.cpu_s > 0
        with pytest.raises(BareFailed, match="5 connections lack bytes after 0 s"):
            await bare.round(50_000_000, 0)
    finally:
        await bare.stop()
        await workers.stop()


def test_a_failure_is_a_sentence():
    assert str(BareFailed("its process ended")) == (
        "the bare server's comparison failed: its process ended"
    )
