"""A change is paid for once, however many clients follow: counted on a whole hub."""

import asyncio
import random
from contextlib import AsyncExitStack

import numpy as np
import pytest

from protocol import runs
from protocol.messages import Announce, BlockQuery, Blocks, Delta, DeltaQuery
from pyzsync.grid import LEAF, WINDOW_LEAVES
from pyzsync.runs import runs_of
from tests.integration.hubs import bare, once, running

CLIENTS = 100
SIZE = 3 * 2**20


def noise(seed, size):
    return random.Random(seed).randbytes(size)


def spliced(data, at, piece):
    return data[:at] + piece + data[at + len(piece) :]


async def fleet(stack, hub, position=None, count=CLIENTS):
    clients = [await stack.enter_async_context(bare(hub)) for _ in range(count)]
    await asyncio.gather(*(client.greet(position) for client in clients))
    return clients


@pytest.mark.parametrize("size", [100_000, 950_000])
async def test_a_hundred_level_clients_one_change(tmp_path, size):
    """Nobody asks for anything, also when a megabyte changes."""
    data = noise(1, SIZE)
    async with running(tmp_path, {"f": data}) as hub, AsyncExitStack() as stack:
        clients = await fleet(stack, hub)
        before = await hub.counters()
        hub.put("f", spliced(data, SIZE // 2, noise(2, size)))
        await asyncio.gather(*(client.level() for client in clients))
        spent = await hub.counters()
        spent.subtract(before)
    changed = {client.of(Announce)[-1].changes[0].version for client in clients}
    assert len(changed) == 1
    deltas = [b"".join(part.data for part in client.of(Delta)) for client in clients]
    assert deltas == [deltas[0]] * CLIENTS
    assert len(deltas[0]) >= size
    # A file read within a clock tick of its last change is read a second time: it may be another.
    assert spent["hash_passes"] <= 2
    assert spent["read_bytes"] == -(-(size + SIZE // 2 % LEAF) // LEAF) * LEAF
    assert (spent["searches"], spent["encodes"], spent["pages"]) == (1, 1, 1)
    assert (spent["cache_misses"], spent["cache_hits"]) == (0, 0)


async def test_many_clients_at_three_versions_whose_missing_sets_overlap(tmp_path):
    """Each leaf is read once, and no more is encoded than there are distinct sets."""
    draw = random.Random(7)
    data = noise(3, SIZE)
    windows = -(-SIZE // (WINDOW_LEAVES * LEAF))
    async with running(tmp_path, {"f": data}) as hub, AsyncExitStack() as stack:
        clients = await fleet(stack, hub, count=60)
        version = clients[0].of(Announce)[-1].changes[0].version
        sets = []
        for window in range(windows):
            leaves = min(WINDOW_LEAVES, SIZE // LEAF - window * WINDOW_LEAVES)
            masks = [np.array([draw.random() < 0.5 for _ in range(leaves)]) for _ in range(2)]
            masks.append(~(masks[0] & masks[1]))  # every leaf is missing somewhere
            sets.append([BlockQuery(version, window, runs.encode(runs_of(m))) for m in masks])
        before = await hub.counters()

        async def pull(client, number):
            queries = [asked[number % 3] for asked in sets]
            draw.shuffle(queries)
            for query in queries:
                for _ in range(draw.randrange(200)):
                    await asyncio.sleep(0)
                await client.ask(query)
            while len({(each.query, each.part) for each in client.of(Blocks)}) < sum(
                {each.query: each.parts for each in client.of(Blocks)}.values()
            ) or len({each.query for each in client.of(Blocks)}) < len(queries):
                await client.hear()

        await asyncio.gather(*(pull(client, number) for number, client in enumerate(clients)))
        spent = await hub.counters()
        spent.subtract(before)
    assert spent["read_bytes"] == SIZE
    assert spent["encodes"] == spent["cache_misses"] == 3 * windows
    assert spent["cache_hits"] + spent["coalesced"] == 57 * windows


async def test_many_clients_that_missed_one_two_and_three_versions(tmp_path):
    """The first of each kind asks, all others are told; each leaf is read once for all kinds."""
    draw = random.Random(8)
    contents = [noise(4, SIZE)]
    for number in range(1, 4):
        contents.append(spliced(contents[-1], number * 600_000 // LEAF * LEAF, noise(number, 4096)))
    async with running(tmp_path, {"f": contents[0]}) as hub:
        async with bare(hub) as watching:
            await watching.greet()
            places = [watching.position]
            for content in contents[1:]:
                hub.put("f", content)
                while not (news := await watching.level())[-1].changes:
                    pass
                places.append(watching.position)
        versions = {c.seq: c.version for each in watching.of(Announce) for c in each.changes}
        held = [versions[max(seq for seq in versions if seq <= p.seq)] for p in places]
        new = held.pop()
        before = await hub.counters()
        asked = [0, 0, 0]

        async def catch_up(kind):
            query = DeltaQuery(held[kind], new)
            for _ in range(draw.randrange(500)):
                await asyncio.sleep(0)
            async with bare(hub) as client:
                await client.greet(places[kind])
                if not client.of(Delta):
                    asked[kind] += 1
                    await client.ask(query)
                while not client.of(Delta):
                    await client.hear()
                assert {part.query for part in client.of(Delta)} == {query}

        for kind in (0, 1, 2):  # the first of each kind
            await catch_up(kind)
        assert asked == [1, 1, 0]  # that of a single step is pushed to all
        await asyncio.gather(*(catch_up(number % 3) for number in range(60)))
        spent = await hub.counters()
        spent.subtract(before)
        assert asked == [1, 1, 0]
        assert news[-1].changes[0].version == new
    assert (spent["searches"], spent["encodes"]) == (2, 2)  # the third was made with the change
    assert spent["read_bytes"] <= 3 * 4096
    assert spent["cache_misses"] == 2


async def test_the_second_client_from_an_old_version_asks_nothing(tmp_path):
    replicas = [tmp_path / name for name in ("one", "two", "three")]
    contents = [noise(5, SIZE)]
    for number in range(1, 4):
        contents.append(spliced(contents[-1], number * 600_000, noise(number, 4096)))
    async with running(tmp_path, {"f": contents[0]}) as hub:
        async with bare(hub) as watching:
            await watching.greet()
            for replica in replicas:
                await once(hub, replica)
            for content in contents[1:]:
                hub.put("f", content)
                while not (await watching.level())[-1].changes:
                    pass
        asked = []
        for replica in replicas:
            before = await hub.counters()
            summary = await once(hub, replica)
            spent = await hub.counters()
            spent.subtract(before)
            asked.append(spent["cache_hits"] + spent["cache_misses"] + spent["coalesced"])
            assert (replica / "f").read_bytes() == contents[-1]
            assert summary["fetched"] < 3 * 4096 + 6 * LEAF
        assert asked == [1, 0, 0]
