import os
from dataclasses import replace
from pathlib import Path

import pytest

from pyzsync_daemon.demo.processes import DaemonEnded
from pyzsync_daemon.loadtest import stand as module
from pyzsync_daemon.loadtest.options import Options
from pyzsync_daemon.loadtest.stand import Stand
from tests.simulation.disk import contents

OPTIONS = Options(clients=3, files=2, file_size=10_000, change_size=100, bare=False)


def children():
    """The processes that we have started and that run."""
    return Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text().split()


@pytest.mark.parametrize("memory", [True, False])
async def test_all_are_level_when_it_stands_and_gone_when_it_is_over(tmp_path, memory):
    options = replace(OPTIONS, memory=memory)
    async with Stand.open(options, tmp_path) as stand:
        assert await stand.workers.all("differences", root=str(stand.root)) == [[], []]
        assert (await stand.hub.counters()).clients == 3
        assert 0 < stand.idle_rss < stand.full_rss
        assert stand.connect_s > 0
        assert (stand.base is not None) is memory
        if stand.base is not None:
            assert contents(stand.base) == contents(stand.root)
        pids = [str(pid) for pid in (stand.hub.pid, *stand.workers.pids)]
    assert not set(pids) & set(children())


async def test_what_cannot_start_leaves_nothing_behind(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "SPARE_CONNECTIONS", -10)  # a hub for fewer than no clients
    before = children()
    with pytest.raises(DaemonEnded, match="max_clients"):
        async with Stand.open(OPTIONS, tmp_path):
            raise AssertionError("it should not stand")
    assert set(children()) <= set(before)


async def test_slow_clients_are_spread_over_the_workers(tmp_path):
    async with Stand.open(OPTIONS, tmp_path) as stand:
        await stand.pause(2)
        await stand.workers.all("arm", expected={})
        seen = await stand.workers.all("seen", seconds=0)
        assert [len(each["done"]) for each in seen] == [1, 0]
