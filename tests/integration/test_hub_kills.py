"""kill -9 of the hub: what it had published it does not read again, and nobody fetches it again."""

import shutil
from pathlib import Path

import pytest

from tests.integration.bench import MIB, make_sparse, noise
from tests.integration.support import reads, trees, until, until_equal

FILES = 24
SIZE = 2 * MIB


@pytest.fixture
def filled(root):
    for number in range(FILES):
        (root / f"f{number}").write_bytes(noise(f"f{number}", SIZE + number))
    return root


def bytes_read(daemon):
    """What a process has read so far, by the kernel's account."""
    lines = Path(f"/proc/{daemon.pid}/io").read_text().splitlines()
    return int(dict(line.split(": ") for line in lines)["rchar"])


def level(root, client):
    """A change that comes after the snapshot is in place: the client has a position."""
    (root / "live").write_bytes(b"after the snapshot")
    client.until("applied", path="live")


def announced(hub):
    return [line["path"] for line in hub.events("announced")]


def test_killed_in_the_first_scan(fleet, filled, tmp_path):
    """What was committed is not read again."""
    hub = fleet.hub(filled, env={"PYZSYNC_LOG__LEVEL": "debug"})
    hub.until("announced", path="f0")
    hub.kill()
    done = announced(hub)
    hub = fleet.hub(filled, env={"PYZSYNC_LOG__LEVEL": "debug"})
    hub.url()
    again = announced(hub)
    # What was committed just before the kill, and not logged any more, is in neither.
    assert len(set(done + again)) == len(done + again)
    assert set(done + again) <= trees(filled)[0].keys()
    fleet.client(tmp_path / "one", hub)
    until_equal(filled, tmp_path / "one")


def test_killed_when_all_is_published(fleet, filled, tmp_path):
    """Only what changed meanwhile is read, announced and fetched."""
    hub = fleet.hub(filled)
    client = fleet.client(tmp_path / "one", hub)
    level(filled, client)
    before = client.events("applied")
    hub.kill()
    (filled / "f3").write_bytes(noise("new f3", MIB))
    (filled / "f4").unlink()
    address = hub.url().removeprefix("ws://")
    hub = fleet.hub(filled, listen=address, env={"PYZSYNC_LOG__LEVEL": "debug"})
    assert client.until("connected", count=2)["resumed"]
    until_equal(filled, tmp_path / "one")
    assert sorted(announced(hub)) == ["f3", "f4"]
    client.until("applied", path="f4", kind="absent")
    after = client.events("applied")[len(before) :]
    assert sorted(line["path"] for line in after) == ["f3", "f4"]
    assert bytes_read(hub) < FILES * SIZE / 2  # of which modules are a third


def test_killed_while_a_big_file_is_hashed(fleet, filled, tmp_path):
    hub = fleet.hub(filled)
    client = fleet.client(tmp_path / "one", hub)
    client.until("applied", count=FILES)
    make_sparse(filled / "big", "big", 1024 * MIB)
    until(lambda: reads(hub, filled / "big"), "the big file is not read")
    hub.kill()
    assert client.events("applied", path="big") == []
    (filled / "big").unlink()
    address = hub.url().removeprefix("ws://")
    hub = fleet.hub(filled, listen=address)
    (filled / "f5").write_bytes(b"new")
    client.until("applied", path="f5", size=3)
    until_equal(filled, tmp_path / "one")
    assert client.until("connected", count=2)["resumed"]


@pytest.mark.parametrize("many", [1, 100])
def test_killed_over_and_over_while_the_tree_changes(fleet, filled, tmp_path, many):
    hub = fleet.hub(filled, deletion_share=1)
    client = fleet.client(tmp_path / "one", hub, deletion_share=1)
    level(filled, client)
    before = len(client.events("applied"))
    address = hub.url().removeprefix("ws://")
    for turn in range(3):
        shutil.rmtree(filled / "d", ignore_errors=True)
        (filled / "d").mkdir()
        for number in range(many):
            (filled / f"d/{number}").write_bytes(noise(f"{turn} {number}", 3000))
        hub.until("announced", path="d")
        hub.kill()
        hub = fleet.hub(filled, listen=address, deletion_share=1)
        hub.url()
    until_equal(filled, tmp_path / "one")
    assert all(line["resumed"] for line in client.events("connected")[1:])
    # Many that are applied together are one line.
    expected = {"d", *(f"d/{number}" for number in range(many))}
    lines = client.events("applied")[before:]
    together = client.events("applied together")
    assert {line["path"] for line in lines} <= expected
    assert together or {line["path"] for line in lines} == expected
    assert sum(line["fetched"] for line in lines + together) <= 3 * many * 3000
