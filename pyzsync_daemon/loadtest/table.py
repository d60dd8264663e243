"""The result as a table on the terminal."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Console
from rich.table import Table

from pyzsync_daemon.loadtest.rounds import Peer, Result, Round
from pyzsync_daemon.loadtest.stats import Times
from pyzsync_daemon.units import format_bytes, format_seconds

COLUMNS = ("first", "median", "99 %", "last", "CPU", "bytes", "least")


def show(result: Result, console: Console) -> None:
    """Print it."""
    table = Table(title=f"What each change cost, with {result.clients} clients")
    table.add_column("round")
    for name in COLUMNS:
        table.add_column(name, justify="right", no_wrap=True)
    for number, each in enumerate(result.rounds, 1):
        rows = [*_rows(number, each)]
        for row in rows:
            table.add_row(*row, end_section=row is rows[-1])
    console.print(table)
    for line in lines(result):
        console.print(line, highlight=False)


def lines(result: Result) -> Iterator[str]:
    """What holds for the whole."""
    yield (
        f"Connected and level after {format_seconds(result.connect_s)}. The hub: "
        f"{format_bytes(result.hub_idle_rss_bytes)} without clients, "
        f"{format_bytes(round(result.hub_rss_per_client_bytes))} for each, "
        f"{format_bytes(result.hub_peak_rss_bytes)} at the most; "
        f"{result.hub_idle_cpu:.1%} of a processor while nothing changes."
    )
    for number, each in enumerate(result.rounds, 1):
        yield _told(number, each)
    if ratios := result.against_bare:
        cpu, received, placed = (f"{ratios[name]:.1f}" for name in ("cpu", "received", "in_place"))
        yield (
            f"Against the bare server (medians): {cpu} times its CPU; the last client has received "
            f"its bytes after {received} times, and has them in place after {placed} times as long."
        )
    if result.ok:
        yield f"All {result.clients} replicas equal the hub's tree, byte by byte."
    else:
        yield f"{result.clients - result.verified} of {result.clients} replicas DIFFER:"
        yield from (f"  {each}" for each in result.differences[:10])


def _rows(number: int, each: Round) -> Iterator[tuple[str, ...]]:
    note = f", {each.note}" if each.note else ""
    yield (
        f"{number} {each.change}{note}",
        *_times(each.times),
        format_seconds(each.hub_cpu_s),
        format_bytes(round(each.bytes_per_client)),
        format_bytes(each.least_bytes_per_client),
    )
    yield ("  received", *_times(each.heard), "", "", "")
    for peer in each.peers:
        yield (f"  {peer.name}", *_times(peer.times), *_cpu(peer), "", "")


def _cpu(peer: Peer) -> Iterator[str]:
    yield "" if peer.cpu_s is None else format_seconds(peer.cpu_s)


def _times(times: Times) -> Iterator[str]:
    yield from map(format_seconds, (times.first, times.p50, times.p99, times.last))


def _told(number: int, each: Round) -> str:
    """What the hub tells of a round, and who was left behind."""
    told = each.counters
    asked = told.cache_hits + told.cache_misses + told.coalesced
    parts = [
        *([f"{each.behind} clients behind"] if each.behind else []),
        f"{told.reads} reads, {told.searches} searches, {told.encodes} encodes",
        f"{asked} asked ({told.cache_hits} cache hits, {told.coalesced} coalesced)",
        f"{told.pushes_dropped} deltas dropped, {told.slow_cut} clients cut",
        f"hub peak {format_bytes(each.hub_peak_rss_bytes)}",
        f"CPU of all clients {format_seconds(each.clients_cpu_s)}",
    ]
    return f"{number}: {'; '.join(parts)}"
