"""One round: prepare, arm the clients, write, wait for everybody, read the meters."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from pyzsync_daemon.client.ledger import ACK_S
from pyzsync_daemon.loadtest import process
from pyzsync_daemon.loadtest.changes import Change, Edit, tree_of
from pyzsync_daemon.loadtest.counters import between
from pyzsync_daemon.loadtest.least import least_bytes
from pyzsync_daemon.loadtest.options import HERDS
from pyzsync_daemon.loadtest.puller import Puller
from pyzsync_daemon.loadtest.rounds import Peer, Round
from pyzsync_daemon.loadtest.stand import Stand
from pyzsync_daemon.loadtest.stats import Times, mean

MISSED = 3  # changes that clients of such a round did not hear of
_POLL_S = 0.1

Trigger = Callable[[], Awaitable[float]]
"""Lets the round happen; returns the moment from which times count."""


@dataclass(frozen=True, slots=True)
class Planned:
    """A round to come. ``expected`` None: clients only have to be level over a new connection.

    ``edits`` are those of one change that all clients hear of when it happens.
    """

    kind: str
    expected: dict[str, bytes] | None
    least: int
    trigger: Trigger
    edits: tuple[Edit, ...] = ()


async def measure(stand: Stand, kind: str, *, pulling: bool = False) -> Round:
    """Run one round of a kind, and its comparisons. ``DaemonError`` when one of them fails.

    ``pulling``: while one client pulls the large file.
    """
    await stand.pause(stand.options.slow)
    planned = await (_herd(stand, kind) if kind in HERDS else _plain(stand, kind))
    if not pulling:
        done = await _run(stand, planned)
    else:
        puller = Puller(stand.home / f"puller-{time.monotonic_ns()}")
        try:
            await puller.start(stand.hub, stand.ca)
            done = await _run(stand, planned)
            note = "the large pull was over too early" if puller.over else "one pulls"
        finally:
            await puller.stop()
        done = replace(done, note=note)
    return await _compared(stand, planned, done)


async def caught_up(stand: Stand, but: int = 0) -> None:
    """Wait until the hub knows of no client that is behind, and none has anything under way;
    ``but``: so many may be.

    Those who are late are told by the comparison of trees, so this only waits.
    """
    patience = stand.options.patience
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        told = await stand.hub.counters()
        if told.clients >= stand.options.clients and told.behind <= but:
            break
        await asyncio.sleep(_POLL_S)
    await stand.workers.all("level", seconds=patience)


async def _compared(stand: Stand, planned: Planned, done: Round) -> Round:
    """The same by other means, right after it."""
    options, peers = stand.options, list(done.peers)
    if stand.bare is not None and planned.expected is not None:
        bare = await stand.bare.round(round(done.bytes_per_client), options.patience)
        peers.append(Peer("bare", bare.times, bare.cpu_s, "the same number of bytes"))
    if stand.rsync is not None and planned.edits:
        peers.append(await stand.rsync.measure(options.pulls, options.clients))
    return replace(done, peers=tuple(peers))


async def _run(stand: Stand, planned: Planned) -> Round:
    hub, workers, patience = stand.hub, stand.workers, stand.options.patience
    expected = planned.expected
    hexed = None if expected is None else {path: each.hex() for path, each in expected.items()}
    await workers.all("arm", expected=hexed)
    before = await hub.counters()
    process.reset_peak(hub.pid)
    start, cpu, clients = time.monotonic(), hub.cpu_seconds, _spent(stand)
    began = await planned.trigger()
    if expected is None:  # it is another process now
        cpu = 0.0
    real = asyncio.create_task(_daemons(stand, planned, began))
    seen = await workers.all("seen", seconds=patience)
    peers = await real
    await workers.all("level", seconds=patience)
    if not stand.options.churn:  # that is never over
        await asyncio.sleep(ACK_S)  # what clients acknowledge is a part of what a change costs
        await caught_up(stand, stand.options.slow)
    after = await hub.counters()
    spent = hub.cpu_seconds - cpu - stand.idle_cpu * (time.monotonic() - start)
    done = [at for each in seen for at in each["done"]]
    latencies = sorted(at - began for at in done if at is not None)
    heard = sorted(at - began for each in seen for at in each["heard"] if at is not None)
    return Round(
        change=planned.kind,
        times=Times.of(latencies),
        heard=Times.of(heard),
        hub_cpu_s=max(0.0, spent),  # four clients cost less than the idle share varies
        clients_cpu_s=_spent(stand) - clients,
        hub_peak_rss_bytes=process.peak_bytes(hub.pid),
        bytes_per_client=mean([count for each in seen for count in each["received"]]),
        least_bytes_per_client=planned.least,
        behind=done.count(None),
        counters=between(before, after) if expected is not None else after,
        peers=peers,
        latencies=tuple(latencies),
        arrivals=tuple(heard),
    )


async def _daemons(stand: Stand, planned: Planned, began: float) -> tuple[Peer, ...]:
    """When the real daemons had the change."""
    if stand.daemons is None or not planned.edits:
        return ()
    done = await stand.daemons.seen(planned.edits, stand.options.patience)
    missing = stand.daemons.count - len(done)
    times = Times.of(at - began for at in done)
    note = f"{missing} behind" if missing else "real processes"
    return (Peer(f"{stand.daemons.count} daemons", times, None, note),)


def _spent(stand: Stand) -> float:
    """Processor time of all workers so far."""
    return sum(map(process.cpu_seconds, stand.workers.pids))


async def _plain(stand: Stand, kind: str) -> Planned:
    change = await asyncio.to_thread(stand.tree.prepare, kind, stand.options.change_size)
    least = await asyncio.to_thread(least_bytes, change.edits)

    async def trigger() -> float:
        return await asyncio.to_thread(change.write)

    return Planned(kind, change.expected, least, trigger, change.edits)


async def _herd(stand: Stand, kind: str) -> Planned:
    """All clients at once: the clock starts when they may connect."""
    if kind == "restart":
        return Planned(kind, None, 0, lambda: _restart(stand))
    if kind == "missed":
        await stand.workers.all("hold")
        changes = [await _unheard(stand) for _ in range(MISSED)]
        expected = {path: each for change in changes for path, each in change.expected.items()}
        least = sum(least_bytes(change.edits) for change in changes)
    else:
        await stand.workers.all("anew")
        edits = await asyncio.to_thread(stand.tree.whole)
        expected = {edit.path: tree_of(edit.new or b"").version for edit in edits}
        least = await asyncio.to_thread(least_bytes, edits)
    return Planned(kind, expected, least, lambda: _release(stand))


async def _unheard(stand: Stand) -> Change:
    """A change that the hub announces while nobody is connected."""
    change = await asyncio.to_thread(stand.tree.prepare, "edit", stand.options.change_size)
    mark = stand.hub.mark()
    await asyncio.to_thread(change.write)
    await stand.hub.announced(change.edits[0].path, mark)
    return change


async def _release(stand: Stand) -> float:
    began = time.monotonic()
    await stand.workers.all("release")
    return began


async def _restart(stand: Stand) -> float:
    await stand.hub.stop()
    await stand.hub.start()
    return time.monotonic()
