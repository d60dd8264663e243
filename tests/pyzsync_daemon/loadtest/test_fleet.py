import asyncio
import shutil

import pytest

from pyzsync_daemon.loadtest.changes import tree_of
from pyzsync_daemon.loadtest.fleet import Fleet, Setup
from tests.pyzsync_daemon.loadtest.conftest import PATIENCE

NEW = b"9876543210" * 1000
EXPECTED = {"f": tree_of(NEW).version}


@pytest.fixture(params=["disk", "memory"])
async def fleet(request, root, url, tmp_path):
    base = None
    if request.param == "memory":
        base = tmp_path / "base"
        shutil.copytree(root, base)
    fleet = Fleet(Setup(url, 3, tmp_path / "replicas", base))
    await fleet.start(PATIENCE)
    yield fleet
    await fleet.stop()
    fleet.close()


async def test_all_clients_get_a_change_and_are_equal(fleet, root):
    fleet.arm(EXPECTED)
    (root / "f").write_bytes(NEW)
    seen = await fleet.seen(PATIENCE)
    assert None not in seen.done
    assert all(heard <= done for heard, done in zip(seen.heard, seen.done, strict=True))
    assert min(seen.received) > 100
    assert await fleet.level(PATIENCE) == 0
    assert fleet.differences(root) == []


async def test_one_wrong_byte_in_one_client_is_found(fleet, root):
    fleet.clients[1].replica.spoil("f")
    assert fleet.differences(root) == [(1, "f: the bytes at 5000")]


async def test_who_does_not_read_is_behind_until_it_reads(fleet, root):
    fleet.pause(2)
    fleet.arm(EXPECTED)
    (root / "f").write_bytes(NEW)
    seen = await fleet.seen(PATIENCE)
    assert len(seen.done) == 1
    assert [number for number, _ in fleet.differences(root)] == [0, 1]
    fleet.pause(0)
    assert None not in (await fleet.seen(PATIENCE)).done
    assert fleet.differences(root) == []


async def test_who_is_late_is_told(fleet):
    fleet.arm(EXPECTED)
    assert (await fleet.seen(0.01)).done == [None] * 3


async def test_all_that_were_held_come_back_at_once(fleet, root):
    fleet.arm(None)
    fleet.hold()
    fleet.release()
    assert None not in (await fleet.seen(PATIENCE)).done
    assert [client.watch.connections for client in fleet.clients] == [1] * 3


async def test_anew_they_begin_empty(fleet, root):
    await fleet.anew()
    fleet.arm({"f": tree_of((root / "f").read_bytes()).version})
    assert len(fleet.differences(root)) == 3
    fleet.release()
    assert None not in (await fleet.seen(PATIENCE)).done
    assert fleet.differences(root) == []


async def test_churn_cuts_connections_which_come_back(fleet):
    fleet.arm(None)
    fleet.churn(5)  # seldom enough for each to settle in between
    assert None not in (await fleet.seen(PATIENCE)).done
    fleet.churn(0)
    assert await fleet.level(PATIENCE) == 0


async def test_a_client_that_fails_fails_the_fleet(fleet):
    fleet.arm(EXPECTED)
    failed = asyncio.create_task(fleet.seen(PATIENCE))
    client = fleet.clients[0]
    original = client.replica.bench.run

    def broken(effect):
        raise ValueError("a defect")

    client._daemon._runner._work = broken
    client._daemon._session.audit()
    client._daemon._pump()
    with pytest.raises(ValueError, match="a defect"):
        await failed
    client._daemon._runner._work = original
    fleet.clients.remove(client)
    with pytest.raises(ValueError, match="a defect"):
        await client.stop()
    client.replica.close()
