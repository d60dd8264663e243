"""Daemons that stop, die or lose what they knew: nobody loses bytes or fetches them again."""

import os
import random
import shutil
import signal
import socket

import pytest

from tests.integration.support import trees, until, until_equal
from tests.simulation.disk import kept_aside

MIB = 2**20


@pytest.fixture
def filled(root):
    """A root with some directories and files, one of them of several windows."""
    generator = random.Random("filled")
    for number in range(30):
        path = root / f"d{number % 3}/f{number}"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(generator.randbytes(300 * number))
    (root / "big").write_bytes(generator.randbytes(5 * MIB + 17))
    return root


def fetched(client):
    return sum(line["fetched"] for line in client.events("applied"))


def size_of(root):
    return sum(path.stat().st_size for path in root.rglob("*") if path.is_file())


def until_told(client, root):
    """Wait until a client has applied and logged every entry of a root, each once."""
    client.until("applied", count=len(trees(root)[0]))


def port_of(hub):
    return hub.url().removeprefix("ws://")


def free_address():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return f"127.0.0.1:{server.getsockname()[1]}"


def test_once(fleet, filled, tmp_path):
    total = size_of(filled)
    hub = fleet.hub(filled)
    first = fleet.once(tmp_path / "one", hub)
    assert trees(filled)[0] == trees(tmp_path / "one")[0]
    assert fetched(first) == total
    again = fleet.once(tmp_path / "one", hub)
    assert again.events("applied") == []
    assert again.out().startswith("up to date: 0 changes, 0 B fetched")
    with (filled / "big").open("ab") as file:
        file.write(b"one more")
    hub.until("announced", path="big")
    third = fleet.once(tmp_path / "one", hub)
    assert trees(filled)[0] == trees(tmp_path / "one")[0]
    assert fetched(third) <= 1024


def test_a_directory_filled_by_other_means_is_adopted(fleet, filled, tmp_path):
    shutil.copytree(filled, tmp_path / "one")
    (tmp_path / "one/mine").write_text("only here")
    client = fleet.once(tmp_path / "one", fleet.hub(filled))
    assert fetched(client) == 0
    assert kept_aside(tmp_path / "one") == {}
    assert (tmp_path / "one/mine").read_text() == "only here"


def test_a_client_restarts(fleet, filled, tmp_path):
    hub = fleet.hub(filled)
    fleet.once(tmp_path / "one", hub)
    (filled / "d0/new").write_bytes(b"while it was away")
    (filled / "d1/f1").unlink()
    hub.until("announced", path="d1/f1")
    client = fleet.client(tmp_path / "one", hub)
    assert client.until("connected")["resumed"]
    until_equal(filled, tmp_path / "one")
    client.until("applied", path="d0/new")
    assert fetched(client) == len(b"while it was away")


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_a_hub_restarts(fleet, filled, tmp_path, end):
    hub = fleet.hub(filled)
    client = fleet.client(tmp_path / "one", hub)
    until_told(client, filled)
    before, address = fetched(client), port_of(hub)
    getattr(hub, end)()
    client.until("hub unreachable")
    (filled / "d0/new").write_bytes(b"while it was away")
    hub = fleet.hub(filled, listen=address)
    assert client.until("connected", count=2)["resumed"]
    until_equal(filled, tmp_path / "one")
    client.until("applied", path="d0/new")
    assert fetched(client) - before == len(b"while it was away")


def test_the_hub_loses_its_state(fleet, filled, tmp_path):
    """What a name in its configuration is for: it is the same hub, and nothing is fetched again."""
    hub = fleet.hub(filled, identity="our hub")
    client = fleet.client(tmp_path / "one", hub)
    until_told(client, filled)
    before, address = fetched(client), port_of(hub)
    fleet.stop(hub)
    shutil.rmtree(filled / ".pyzsync")
    (filled / "d0/new").write_bytes(b"new")
    (filled / "d1/f1").unlink()
    fleet.hub(filled, listen=address, identity="our hub")
    assert not client.until("connected", count=2)["resumed"]
    until_equal(filled, tmp_path / "one")
    client.until("applied", path="d0/new")
    assert fetched(client) - before == len(b"new")


def test_another_hub_at_the_same_address(fleet, filled, tmp_path):
    hub = fleet.hub(filled)
    client = fleet.client(tmp_path / "one", hub)
    until_equal(filled, tmp_path / "one")
    address = port_of(hub)
    fleet.stop(hub)
    other = tmp_path / "other"
    other.mkdir()
    (other / "f").write_text("of another hub")
    hub = fleet.hub(other, listen=address)
    hub.url()
    client.ends(3)
    assert "pyzsync: no session with the hub at ws://" in client.log()
    again = fleet.once(tmp_path / "one", hub, code=3)
    assert "hint: " in again.log()
    assert trees(filled)[0] == trees(tmp_path / "one")[0]


def test_a_new_hub_is_accepted_when_told_so(fleet, filled, tmp_path):
    hub = fleet.hub(filled)
    fleet.once(tmp_path / "one", hub)
    fleet.stop(hub)
    shutil.rmtree(filled / ".pyzsync")
    hub = fleet.hub(filled)
    fleet.once(tmp_path / "one", hub, code=3)
    client = fleet.once(tmp_path / "one", hub, accept_new_hub="true")
    assert fetched(client) == 0
    assert fleet.once(tmp_path / "one", hub).events("connected")[0]["resumed"]


def test_a_client_waits_for_its_hub(fleet, filled, tmp_path):
    address = free_address()
    client = fleet.client(tmp_path / "one", f"ws://{address}")
    client.until("hub unreachable", count=3)
    fleet.hub(filled, listen=address)
    until_equal(filled, tmp_path / "one")


def test_ten_clients_at_once(fleet, filled, tmp_path):
    hub = fleet.hub(filled)
    replicas = [tmp_path / str(number) for number in range(10)]
    for replica in replicas:
        fleet.client(replica, hub)
    until_equal(filled, *replicas)
    (filled / "d0/new").write_bytes(b"to all")
    (filled / "d1").rename(filled / "d4")
    until_equal(filled, *replicas)


def empty(root):
    for path in root.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def test_an_emptied_root_empties_nothing(fleet, filled, tmp_path):
    state, backup = tmp_path / "state", tmp_path / "backup"
    shutil.copytree(filled, backup)
    hub = fleet.hub(filled, options=["--state", state])
    client = fleet.client(tmp_path / "one", hub)
    until_equal(filled, tmp_path / "one")
    [before] = trees(tmp_path / "one")
    fleet.stop(hub)
    empty(filled)
    hub = fleet.hub(filled, listen=port_of(hub), options=["--state", state])
    assert "all 34 entries are gone" in hub.until("halted")["reason"]
    client.until("connected", count=2)
    shutil.copytree(backup, filled, dirs_exist_ok=True)
    (filled / "d0/new").write_bytes(b"back again")
    client.until("applied", path="d0/new")
    until_equal(filled, tmp_path / "one")
    assert client.events("applied", kind="absent") == []
    assert before.keys() < trees(tmp_path / "one")[0].keys()


def test_a_root_that_is_being_emptied_takes_little_with_it(fleet, filled, tmp_path):
    """Deletions are believed one by one, up to a floor or a share of all within half a minute."""
    hub = fleet.hub(filled, deletion_floor=5, deletion_share=0.2)
    fleet.client(tmp_path / "one", hub)
    until_equal(filled, tmp_path / "one")
    [before] = trees(filled)
    for path in sorted(before, reverse=True):
        (filled / path).rmdir() if before[path][0] == "directory" else (filled / path).unlink()
    hub.until("halted")
    fleet.stop(hub)
    assert len(trees(tmp_path / "one")[0]) >= 0.8 * len(before)


def test_a_vanished_root_empties_nothing(fleet, filled, tmp_path):
    state, away = tmp_path / "state", tmp_path / "away"
    hub = fleet.hub(filled, options=["--state", state])
    client = fleet.client(tmp_path / "one", hub)
    until_equal(filled, tmp_path / "one")
    filled.rename(away)
    hub.until("halted")
    filled.mkdir()  # as of a disk that is not mounted
    hub.until("halted", count=2)
    filled.rmdir()
    away.rename(filled)
    (filled / "d0/new").write_bytes(b"back again")
    client.until("applied", path="d0/new")
    until_equal(filled, tmp_path / "one")
    assert client.events("applied", kind="absent") == []


def test_a_hub_that_lost_tree_and_state_empties_nothing(fleet, filled, tmp_path):
    hub = fleet.hub(filled, identity="our hub")
    client = fleet.client(tmp_path / "one", hub)
    until_equal(filled, tmp_path / "one")
    [before] = trees(tmp_path / "one")
    fleet.stop(hub)
    shutil.rmtree(filled)
    filled.mkdir()
    (filled / "README").write_text("a fresh disk")
    fleet.hub(filled, listen=port_of(hub), identity="our hub")
    client.until("not applied")
    client.until("applied", path="README")
    [after] = trees(tmp_path / "one")
    assert {path: after.get(path) for path in before} == before


def staged(replica):
    """Bytes of the fullest file in a replica's staging."""
    try:
        found = [entry.stat().st_blocks * 512 for entry in os.scandir(replica / ".pyzsync/staging")]
    except FileNotFoundError:
        return 0
    return max(found, default=0)


@pytest.fixture
def large(root):
    with (root / "large").open("wb") as file:
        for _ in range(48):
            file.write(os.urandom(MIB))
    return root


@pytest.mark.parametrize("signals", [1, 2])
@pytest.mark.parametrize("who", ["hub", "client"])
def test_sigterm_in_the_midst_of_a_transfer(fleet, large, tmp_path, who, signals):
    """The other side is frozen, so that the transfer cannot come to its end."""
    hub = fleet.hub(large)
    client = fleet.client(tmp_path / "one", hub, inflight_bytes=4 * MIB)
    until(lambda: staged(tmp_path / "one") >= 4 * MIB, "nothing is staged")
    ending, frozen = (hub, client) if who == "hub" else (client, hub)
    frozen.process.send_signal(signal.SIGSTOP)
    assert not (tmp_path / "one/large").exists()
    for _ in range(signals):
        ending.process.send_signal(signal.SIGTERM)
    ending.ends(0)
    frozen.process.send_signal(signal.SIGCONT)
    if who == "hub":
        fleet.hub(large, listen=port_of(hub))
    else:
        client = fleet.client(tmp_path / "one", hub)
    until_equal(large, tmp_path / "one")
    line = client.until("applied", path="large")
    if who == "client":
        assert line["reused"] >= 2 * MIB
    assert line["fetched"] + line["reused"] == 48 * MIB


@pytest.mark.parametrize("who", ["hub", "client"])
def test_sigterm_while_both_are_busy(fleet, large, tmp_path, who):
    hub = fleet.hub(large)
    client = fleet.client(tmp_path / "one", hub, inflight_bytes=2 * MIB)
    until(lambda: staged(tmp_path / "one") >= 2 * MIB, "nothing is staged")
    fleet.stop(hub if who == "hub" else client)
