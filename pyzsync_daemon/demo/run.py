"""The demo's story: publish, follow, change, wait for equal trees, tell what travelled."""

from __future__ import annotations

import asyncio
import signal
import tempfile
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from rich.console import Console
from rich.table import Table

from pyzsync_daemon.demo.content import ROUNDS, fill
from pyzsync_daemon.demo.processes import Daemon
from pyzsync_daemon.demo.relay import Relay
from pyzsync_daemon.demo.trees import differ, measure
from pyzsync_daemon.errors import DaemonError, Differs
from pyzsync_daemon.units import format_bytes, format_seconds

__all__ = ["TooSlow", "run_demo"]

CLIENTS: Final = 3
PATIENCE: Final = 90.0  # seconds a round may take before the demo gives up, on a slow machine
_POLL: Final = 0.02  # seconds between two looks at the replicas
_STOP: Final = 15.0  # seconds for a daemon to drain; more than drain_s and its grace


class TooSlow(DaemonError):
    """The replicas were not equal to the hub's tree within ``seconds``; ``logs`` are last lines."""

    def __init__(self, seconds: float, difference: Differs, logs: Sequence[str]) -> None:
        super().__init__(seconds, difference, logs)
        self.seconds = seconds
        self.difference = difference
        self.logs = logs

    def __str__(self) -> str:
        return "\n".join([f"after {self.seconds:g} s {self.difference}", *self.logs])


@dataclass(frozen=True, slots=True)
class Told:
    """A round's row: bytes that whole copies to all clients take, bytes that travelled, seconds."""

    name: str
    whole: int
    carried: int
    seconds: float


def run_demo() -> None:
    """Run it and print the table; DaemonError when anything differs, is late or ends early."""
    try:
        asyncio.run(_demo(Console()))
    except asyncio.CancelledError:  # SIGTERM; by now all daemons have ended
        raise SystemExit(128 + signal.SIGTERM) from None


async def _demo(console: Console) -> None:
    task = asyncio.current_task()
    if task is not None:  # always: asyncio.run made it
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    with tempfile.TemporaryDirectory(prefix="pyzsync-demo-") as folder:
        base = Path(folder)
        root, *replicas = _folders(base)
        whole = fill(root)
        files, size = measure(root)
        console.print(f"A hub with {files} files, {format_bytes(size)}, and {CLIENTS} clients.")
        rows = await _story(base, root, replicas, whole)
        files, size = measure(root)
        console.print(_table(rows))
        console.print(
            f"All {CLIENTS} replicas equal the hub's tree, byte by byte: "
            f"{files} files, {format_bytes(size)}."
        )


def _folders(base: Path) -> list[Path]:
    folders = [base / name for name in ("hub", *(f"client-{n + 1}" for n in range(CLIENTS)))]
    for folder in folders:
        folder.mkdir()
    return folders


async def _story(base: Path, root: Path, replicas: Sequence[Path], whole: int) -> list[Told]:
    daemons: list[Daemon] = []

    async def start(name: str, *arguments: str) -> Daemon:
        daemons.append(await Daemon.start(name, arguments, base / f"{name}.log"))
        return daemons[-1]

    async with AsyncExitStack() as stack:
        stack.push_async_callback(_stop_all, daemons)
        hub = await start("hub", "hub", str(root), "--listen", "127.0.0.1:0")
        address = urlsplit(await hub.listening(PATIENCE))
        relay = Relay(address.hostname or "", address.port or 0)
        await stack.enter_async_context(relay)
        began = time.perf_counter()
        for replica in replicas:
            await start(replica.name, "client", str(replica), "--hub", relay.url)
        await _settle(root, replicas, daemons)
        rows = [Told("first copy", whole * CLIENTS, relay.carried, time.perf_counter() - began)]
        for item in ROUNDS:
            carried, began = relay.carried, time.perf_counter()
            size = await asyncio.to_thread(item.work, root)
            await _settle(root, replicas, daemons)
            seconds = time.perf_counter() - began
            rows.append(Told(item.name, size * CLIENTS, relay.carried - carried, seconds))
        for daemon in reversed(daemons):  # clients first: none should see its hub go
            if code := await daemon.stop(_STOP):
                raise daemon.ended(code)
    return rows


async def _settle(root: Path, replicas: Sequence[Path], daemons: Sequence[Daemon]) -> None:
    """Wait until every replica equals the root; TooSlow with the first difference."""
    deadline = time.monotonic() + PATIENCE
    for replica in replicas:
        suspect = ""
        while difference := await asyncio.to_thread(differ, root, replica, suspect):
            for daemon in daemons:
                daemon.check()
            if time.monotonic() > deadline:
                logs = [f"{daemon.name}: {line}" for daemon in daemons for line in daemon.tail()]
                raise TooSlow(PATIENCE, difference, logs)
            suspect = difference.path
            await asyncio.sleep(_POLL)


async def _stop_all(daemons: Sequence[Daemon]) -> None:
    await asyncio.gather(*(daemon.stop(_STOP) for daemon in daemons))


def _table(rows: Sequence[Told]) -> Table:
    table = Table(title=f"What travelled to {CLIENTS} clients, both ways, all included")
    table.add_column("round")
    for name in ("copied whole", "travelled", "share", "all equal after"):
        table.add_column(name, justify="right")
    total = sum(row.whole for row in rows), sum(row.carried for row in rows)
    for row in rows:
        table.add_row(*_cells(row), end_section=row is rows[-1])
    table.add_row(*_cells(Told("sum", *total, sum(row.seconds for row in rows))))
    return table


def _cells(row: Told) -> tuple[str, ...]:
    share = f"{row.carried / row.whole:.1%}" if row.whole else "-"
    amounts = format_bytes(row.whole), format_bytes(row.carried)
    return row.name, *amounts, share, format_seconds(row.seconds)
