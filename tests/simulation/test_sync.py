"""What a change on the hub comes to on every client, in any order of events, on any network."""

import os
import random

import pytest

from protocol.errors import Code
from pyzsync.grid import LEAF, WINDOW
from tests.simulation.disk import kept_aside, touch, tree_of, write
from tests.simulation.world import Corruption

SEEDS = range(4)
pytestmark = pytest.mark.parametrize("seed", SEEDS)


def noise(seed, size):
    """Bytes that neither compress nor repeat."""
    return random.Random(seed).randbytes(size)


def fetched(client):
    """Leaves that a client got from the hub so far."""
    return sum(client.staged.values())


def agree(world):
    """Settle; every replica is as the hub, and nothing was kept aside."""
    world.settle()
    published = tree_of(world.hub.root)
    for client in world.clients:
        assert tree_of(client.root) == published
        assert kept_aside(client.root) == {}


@pytest.fixture
def world(worlds, seed):
    world = worlds(clients=2, seed=seed)
    hub = world.hub.root
    write(hub, "readme", b"read me\n")
    write(hub, "docs/one.txt", noise(seed, 5000))
    write(hub, "docs/deep/two.bin", noise(seed + 100, 9 * LEAF))
    write(hub, "empty", b"")
    agree(world)
    return world


def test_first_sync_fetches_each_leaf_once(world):
    for client in world.clients:
        assert fetched(client) == 1 + -(-5000 // LEAF) + 9


def test_an_edit_comes_with_its_announcement(world):
    before = fetched(world.clients[0])
    data = bytearray((world.hub.root / "docs/deep/two.bin").read_bytes())
    data[4 * LEAF + 7] ^= 1
    write(world.hub.root, "docs/deep/two.bin", bytes(data))
    agree(world)
    assert fetched(world.clients[0]) == before  # no block was asked for: the delta was pushed


def test_who_missed_the_version_before_fetches_the_leaf(world):
    before = fetched(world.clients[0])
    edit = bytearray((world.hub.root / "docs/deep/two.bin").read_bytes())
    for leaf in (4, 7):
        edit[leaf * LEAF + 7] ^= 1
        write(world.hub.root, "docs/deep/two.bin", bytes(edit))
        world.hub.publish()
    agree(world)
    assert fetched(world.clients[0]) - before == 2


def test_a_rename_costs_nothing(world):
    before = fetched(world.clients[0])
    (world.hub.root / "docs/one.txt").rename(world.hub.root / "moved.txt")
    agree(world)
    assert fetched(world.clients[0]) == before


def test_a_renamed_directory_costs_nothing(world):
    before = fetched(world.clients[0])
    (world.hub.root / "docs").rename(world.hub.root / "papers")
    agree(world)
    assert fetched(world.clients[0]) == before


@pytest.mark.parametrize("deletion_first", [True, False])
def test_a_split_rename_costs_nothing(world, deletion_first):
    before = fetched(world.clients[0])
    old, new, aside = (
        world.hub.root / "docs/deep/two.bin",
        world.hub.root / "new/place.bin",
        world.hub.root.parent / "aside",
    )
    old.rename(aside)
    if deletion_first:
        agree(world)
    else:
        old.write_bytes(aside.read_bytes())
    new.parent.mkdir()
    aside.rename(new)
    agree(world)
    old.unlink(missing_ok=True)
    agree(world)
    assert fetched(world.clients[0]) == before


def test_deletions(world):
    (world.hub.root / "docs/one.txt").unlink()
    (world.hub.root / "docs/deep/two.bin").unlink()
    (world.hub.root / "docs/deep").rmdir()
    agree(world)


def test_kinds_change_into_each_other(world):
    hub = world.hub.root
    write(hub, "readme/now/a/directory", b"within")
    write(hub, "docs", b"a file now")
    (hub / "empty").unlink()
    (hub / "empty").symlink_to("docs")
    agree(world)
    write(hub, "readme", b"a file again")
    write(hub, "docs/one.txt", b"a directory again")
    write(hub, "empty", b"and a file")
    agree(world)
    (hub / "readme").unlink()
    (hub / "readme").symlink_to("docs/one.txt")
    (hub / "empty").unlink()
    (hub / "empty").mkdir()
    agree(world)


def test_symlinks_are_never_followed(world, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (world.hub.root / "out").symlink_to(outside)
    (world.hub.root / "nowhere").symlink_to("no/such/thing")
    agree(world)
    (world.hub.root / "out").unlink()
    write(world.hub.root, "out/file", b"within the root")
    agree(world)
    assert list(outside.iterdir()) == []


def test_modes_times_and_empty_directories(world):
    hub = world.hub.root
    (hub / "hollow/inner").mkdir(parents=True)
    (hub / "hollow").chmod(0o750)
    (hub / "readme").chmod(0o600)
    touch(hub / "docs/one.txt")
    before = fetched(world.clients[0])
    agree(world)
    (hub / "readme").chmod(0o444)
    (hub / "hollow/inner").chmod(0o500)
    touch(hub / "hollow")
    agree(world)
    assert fetched(world.clients[0]) == before


def test_set_id_bits_do_not_travel(world):
    (world.hub.root / "readme").chmod(0o4755)
    agree(world)
    assert (world.clients[0].root / "readme").stat().st_mode & 0o7777 == 0o755


def test_holes_stay_holes(world, seed):
    path = world.hub.root / "sparse"
    with path.open("wb") as file:
        file.seek(3 * 2**20)
        file.write(noise(seed, 4096))
        file.truncate(6 * 2**20)
    agree(world)
    with path.open("r+b") as file:
        file.seek(2**20)
        file.write(noise(seed + 1, 4096))
    touch(path)
    agree(world)
    for client in world.clients:
        assert (client.root / "sparse").stat().st_blocks <= path.stat().st_blocks + 16


def test_names_that_are_not_utf8(world):
    name = os.fsdecode(b"caf\xe9 \xff")
    write(world.hub.root, f"{name}/{name}", b"latin")
    (world.hub.root / "link").symlink_to(name)
    agree(world)
    (world.hub.root / name / name).unlink()
    agree(world)


def test_the_same_content_at_many_paths_is_fetched_once(world, seed):
    before = fetched(world.clients[0])
    data = noise(seed + 7, 20 * LEAF)
    for number in range(8):
        write(world.hub.root, f"copies/{number}", data)
    agree(world)
    assert fetched(world.clients[0]) - before == 20


def test_many_publishes_before_a_client_hears_of_one(world, seed):
    before = fetched(world.clients[0])
    for number in range(20):
        write(world.hub.root, "hot", noise(seed + number, 4 * LEAF))
        world.publish()
    agree(world)
    assert fetched(world.clients[0]) - before == 4


def test_an_edit_while_the_last_one_is_under_way(world, seed):
    for number in range(12):
        write(world.hub.root, "hot", noise(seed + number, 40 * LEAF))
        world.publish()
        world.run(world.random.randrange(12))
    agree(world)


def test_a_client_that_was_away_for_three_versions(world, seed):
    away = world.clients.pop()
    path = "docs/deep/two.bin"
    data = bytearray((world.hub.root / path).read_bytes())
    for leaf in (1, 4, 7):
        data[leaf * LEAF] ^= 0xFF
        write(world.hub.root, path, bytes(data))
        agree(world)
    (world.hub.root / "readme").unlink()
    agree(world)
    before = fetched(away)
    away.cut()
    away.restart()
    world.clients.append(away)
    agree(world)
    assert fetched(away) - before == 3


def test_an_insertion_in_a_file_of_several_windows(worlds, seed):
    world = worlds(clients=1, seed=seed)
    data = noise(seed, 2 * WINDOW + 300_000)
    write(world.hub.root, "big", data)
    agree(world)
    before = fetched(world.clients[0])
    at = random.Random(seed).randrange(len(data))
    write(world.hub.root, "big", data[:at] + b"seventeen bytes !" + data[at:])
    agree(world)
    # The leaves that hold new bytes; shifted grids cost at most one more at each window's edge.
    assert fetched(world.clients[0]) - before <= 2 + 3


def test_cut_links_fetch_nothing_twice(worlds, seed):
    world = worlds(clients=1, seed=seed)
    (client,) = world.clients
    write(world.hub.root, "big", noise(seed, 3 * WINDOW))
    write(world.hub.root, "small", noise(seed + 1, 3000))
    world.publish()
    for _ in range(40):
        world.run(world.random.randrange(1, 25))
        client.cut()
    agree(world)
    assert max(client.staged.values()) <= WINDOW // LEAF
    assert fetched(client) == 3 * WINDOW // LEAF + -(-3000 // LEAF)


def test_restarts_fetch_nothing_twice(worlds, seed):
    world = worlds(clients=1, seed=seed)
    (client,) = world.clients
    write(world.hub.root, "big", noise(seed, 3 * WINDOW))
    world.publish()
    for _ in range(4):
        before = fetched(client)
        world.run_until(lambda before=before: fetched(client) > before or client.level)
        client.restart()
    agree(world)
    assert fetched(client) == 3 * WINDOW // LEAF


def test_another_hub_is_refused(worlds, world, seed):
    other = worlds(clients=0, seed=seed, identity="another")
    write(other.hub.root, "readme", b"not for you")
    other.publish()
    client = world.clients.pop()
    before = tree_of(client.root)
    client.cut()
    other.clients.append(client)
    other.run(200)
    assert client.refusal is not None and client.refusal.code is Code.WRONG_HUB
    assert tree_of(client.root) == before


@pytest.mark.parametrize("text", [False, True])
def test_what_is_corrupted_on_its_way_never_reaches_a_path(worlds, seed, text):
    world = worlds(clients=1, seed=seed)
    (client,) = world.clients
    client.transit = corruption = Corruption(seed, 0.3)
    for number in range(30):
        data = b"%d text " % number * 500 if text else noise(seed + number, 3000)
        write(world.hub.root, f"file {number}", data)
    write(world.hub.root, "large", noise(seed, WINDOW + 5 * LEAF))
    published = tree_of(world.hub.root)
    world.publish()
    for _ in range(50):
        world.run(10)
        for path, entry in tree_of(client.root).items():
            assert entry == published[path]
    client.transit.share = 0.0
    agree(world)
    assert corruption.spoilt > 5


def test_fifty_clients_cost_the_hub_one_read(worlds, seed):
    world = worlds(clients=50, seed=seed)
    write(world.hub.root, "file", noise(seed, 64 * LEAF))
    write(world.hub.root, "other", noise(seed + 1, 64 * LEAF))
    agree(world)
    reader = world.hub.source.leaves
    assert reader.reads.bytes == 2 * 64 * LEAF
    data = bytearray((world.hub.root / "file").read_bytes())
    data[40 * LEAF] ^= 1
    write(world.hub.root, "file", bytes(data))
    before = reader.reads.bytes
    agree(world)
    assert reader.reads.bytes - before == LEAF  # for the delta: searched in it, and sent
