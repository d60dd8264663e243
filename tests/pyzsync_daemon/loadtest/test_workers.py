import asyncio

import pytest

from pyzsync_daemon.loadtest.workers import WorkerFailed, Workers, shares


@pytest.mark.parametrize(
    ("count", "workers", "each"), [(10, 2, [5, 5]), (10, 3, [4, 3, 3]), (1, 3, [1, 0, 0])]
)
def test_clients_are_shared_evenly(count, workers, each):
    assert shares(count, workers) == each


async def test_all_answer_and_an_error_is_told(tmp_path):
    workers = Workers()
    await workers.start(2, tmp_path / "worker.log")
    try:
        assert await workers.all("bare_seen", seconds=0) == [[], []]
        assert await workers.one(1, "bare_seen", seconds=0) == []
        with pytest.raises(WorkerFailed, match="level: RuntimeError: no clients were started"):
            await workers.all("level", seconds=0)
        workers.kill()
        with pytest.raises(WorkerFailed, match="it ended while it was told to stop"):
            async with asyncio.timeout(30):
                await workers.one(0, "stop")
                await workers.one(0, "stop")
    finally:
        await workers.stop()
    assert workers.pids == []
