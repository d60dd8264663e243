import asyncio
import time

from pyzsync_daemon.client.effects import Commit, Prepare
from pyzsync_daemon.config import ClientSettings
from pyzsync_daemon.loadtest.comparison import Comparison
from pyzsync_daemon.loadtest.memory import holding
from pyzsync_daemon.loadtest.runners import Turns, inline
from pyzsync_daemon.loadtest.shared import Shared
from pyzsync_daemon.loadtest.simulated import Client, DiskReplica, MemoryReplica
from pyzsync_daemon.transport import decode
from tests.pyzsync_daemon.client.values import directory
from tests.pyzsync_daemon.loadtest.conftest import PATIENCE


def test_a_replica_in_memory_is_compared_and_spoilt(root):
    shared = Shared()
    base = holding({"f": shared.load(root / "f")})
    first, second = MemoryReplica(shared, base), MemoryReplica(shared, base)
    second.spoil("f")
    with Comparison(root) as comparison:
        assert first.differs(root, comparison) == ""
        assert second.differs(root, comparison) == "f: the bytes at 5000"


def test_a_replica_on_disk_is_compared_and_spoilt(root, tmp_path):
    replica = DiskReplica(tmp_path / "replica")
    with Comparison(root) as comparison:
        assert replica.differs(root, comparison).startswith("f: not in ")
        (tmp_path / "replica" / "f").write_bytes((root / "f").read_bytes())
        assert replica.differs(root, comparison) == ""
        replica.spoil("f")
        assert replica.differs(root, comparison) == "f: the bytes at 5000"
    assert replica.placed_at == 0
    change = directory("d")
    replica.bench.run(Prepare((change,)))
    before = time.monotonic()
    replica.bench.run(Commit((change,)))
    assert before <= replica.placed_at <= time.monotonic()
    replica.close()


async def test_a_client_follows_is_cut_and_comes_back(root, url, tmp_path):
    gate = asyncio.Event()
    settings = ClientSettings(root=tmp_path / "unused", hub=url)
    turns = Turns()
    client = Client(settings, MemoryReplica(Shared(), {}), inline(turns), turns, gate, decode)
    async with asyncio.timeout(PATIENCE):
        await asyncio.sleep(0)
        assert client.received == 0  # the gate is shut
        gate.set()
        await client.watch.level.wait()
        before = client.received
        assert before > 0
        client.watch.arm_for_link()
        client.cut()
        await client.watch.wait()
        assert client.received > before
        with Comparison(root) as comparison:
            assert client.replica.differs(root, comparison) == ""
        await client.stop()
