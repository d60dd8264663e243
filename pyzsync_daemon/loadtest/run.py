"""The load test's story: start everything, change things, measure, compare, tell."""

from __future__ import annotations

import asyncio
import signal
import tempfile
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from pyzsync_daemon.errors import DaemonError
from pyzsync_daemon.loadtest.measuring import measure
from pyzsync_daemon.loadtest.options import Options
from pyzsync_daemon.loadtest.rounds import Result, Round
from pyzsync_daemon.loadtest.stand import Stand

Hook = Callable[[Stand], Awaitable[None]]


class TreesDiffer(DaemonError):
    """At the end not every client had the hub's bytes."""

    def __init__(self, result: Result) -> None:
        super().__init__(result)
        self.result = result

    def __str__(self) -> str:
        wrong = self.result.clients - self.result.verified
        return f"{wrong} of {self.result.clients} replicas differ from the hub's tree"


async def _nothing(stand: Stand) -> None:
    return


async def load_test(options: Options, console: Console, before_verify: Hook = _nothing) -> Result:
    """Run it. ``before_verify`` is called when all rounds are over.

    Raises what a part failed with; everything has ended by then.
    """
    options.check()
    with (
        tempfile.TemporaryDirectory(prefix="pyzsync-loadtest-") as home,
        Progress(console=console, transient=True) as progress,
    ):
        kinds = [kind for kind in options.changes for _ in range(options.rounds)]
        task = progress.add_task(f"starting {options.clients} clients", total=len(kinds) + 2)
        async with Stand.open(options, Path(home)) as stand:
            rounds: list[Round] = []
            await stand.workers.all("churn", rate=options.churn / options.processes)
            for number, kind in enumerate(kinds, 1):
                told = f"round {number} of {len(kinds)}: {kind}"
                progress.update(task, advance=1, description=told)
                rounds.append(await measure(stand, kind))
            progress.update(task, advance=1, description="comparing every byte")
            await stand.workers.all("churn", rate=0)
            await before_verify(stand)
            return await _verified(stand, rounds)


async def _verified(stand: Stand, rounds: list[Round]) -> Result:
    """Compare every client's tree with the hub's."""
    options = stand.options
    await stand.workers.all("level", seconds=options.patience)
    found = await stand.workers.all("differences", root=str(stand.root))
    await stand.workers.all("stop")
    differences = [
        f"client {number} of worker {worker}: {what}"
        for worker, each in enumerate(found)
        for number, what in each
    ]
    return Result(
        clients=options.clients,
        verified=options.clients - len(differences),
        differences=tuple(differences),
        connect_s=stand.connect_s,
        hub_idle_rss_bytes=stand.idle_rss,
        hub_rss_per_client_bytes=(stand.full_rss - stand.idle_rss) / options.clients,
        hub_peak_rss_bytes=max((each.hub_peak_rss_bytes for each in rounds), default=0),
        rounds=tuple(rounds),
    )


def run_load_test(options: Options) -> None:
    """Run it, print the table, write the files. ``DaemonError`` when a tree differs."""
    from pyzsync_daemon.loadtest.table import show

    console = Console()
    try:
        result = asyncio.run(_until_signal(options, console))
    except asyncio.CancelledError:  # SIGTERM; by now everything has ended
        raise SystemExit(128 + signal.SIGTERM) from None
    show(result, console)
    if not result.ok:
        raise TreesDiffer(result)


async def _until_signal(options: Options, console: Console) -> Result:
    task = asyncio.current_task()
    if task is not None:
        with suppress(NotImplementedError):
            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    return await load_test(options, console)
