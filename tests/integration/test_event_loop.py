"""While a file of gigabytes is hashed, a small one reaches another client: with either kernel.

What was logged, by whom and in which order, is the trace that shows it; no time is looked at.
"""

import pytest

from tests.integration.bench import MIB, make_sparse
from tests.integration.support import reads, until

# Sparse: they take no room, and zeros are hashed like everything else. Each takes seconds to hash.
SIZES = {"c": 4096 * MIB, "numpy": 1024 * MIB}


def trace(**daemons):
    """(who, event, path) of what was announced and applied, in order of time."""
    lines = [
        (line["timestamp"], who, line["event"], line["path"])
        for who, daemon in daemons.items()
        for event in ("announced", "applied")
        for line in daemon.events(event)
    ]
    return [line[1:] for line in sorted(lines)]


@pytest.mark.parametrize(("kernel", "size"), SIZES.items())
def test_the_hub_hashes(fleet, root, tmp_path, kernel, size):
    hub = fleet.hub(root, env={"PYZSYNC_KERNEL": kernel})
    clients = {name: fleet.client(tmp_path / name, hub) for name in ("one", "two")}
    for client in clients.values():
        client.until("connected")
    make_sparse(root / "big", "big", size)
    until(lambda: reads(hub, root / "big"), "the big file is not read")
    (root / "small").write_bytes(b"s" * 1024)
    for client in clients.values():
        client.until("applied", path="small", size=1024)
    assert reads(hub, root / "big")
    assert ("hub", "announced", "big") not in trace(hub=hub, **clients)
    if kernel == "numpy":
        return  # it would take its ten seconds
    hub.until("announced", path="big")
    seen = trace(hub=hub, **clients)
    announced = seen.index(("hub", "announced", "big"))
    assert seen.index(("hub", "announced", "small")) < announced
    assert seen.index(("one", "applied", "small")) < announced
    assert seen.index(("two", "applied", "small")) < announced


@pytest.mark.parametrize(("kernel", "size"), SIZES.items())
def test_the_client_hashes(fleet, root, tmp_path, kernel, size):
    """A large foreign file is in the replica, to be compared with the hub's."""
    replica = tmp_path / "one"
    replica.mkdir()
    make_sparse(root / "big", "the hub's", size)
    make_sparse(replica / "big", "another's", size)
    hub = fleet.hub(root)
    hub.url()
    client = fleet.client(replica, hub, env={"PYZSYNC_KERNEL": kernel})
    until(lambda: reads(client, replica / "big"), "the big file is not read")
    (root / "small").write_bytes(b"s" * 1024)
    client.until("applied", path="small", size=1024)
    assert reads(client, replica / "big")
    seen = trace(hub=hub, one=client)
    assert seen.index(("hub", "announced", "small")) < seen.index(("one", "applied", "small"))
    assert ("one", "applied", "big") not in seen
    client.kill()  # told to end, it would for five seconds wait for its threads
