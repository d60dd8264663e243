"""The load test's story: start everything, change things, measure, compare, tell."""

from __future__ import annotations

import asyncio
import json
import os
import platform
import signal
import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress

from pyzsync import kernel
from pyzsync_daemon.errors import DaemonError
from pyzsync_daemon.loadtest.measuring import caught_up, measure
from pyzsync_daemon.loadtest.options import Options
from pyzsync_daemon.loadtest.plot import draw
from pyzsync_daemon.loadtest.rounds import Result, Round
from pyzsync_daemon.loadtest.rsync import installed
from pyzsync_daemon.loadtest.stand import Stand
from pyzsync_daemon.loadtest.table import show
from pyzsync_daemon.pyplot import load_pyplot

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
    options = replace(options, processes=min(options.processes, options.clients))
    with (
        tempfile.TemporaryDirectory(prefix="pyzsync-loadtest-") as home,
        Progress(console=console, transient=True) as progress,
    ):
        plan = _plan(options)
        task = progress.add_task(f"starting {options.clients} clients", total=len(plan) + 2)
        async with Stand.open(options, Path(home)) as stand:
            rounds: list[Round] = []
            await stand.workers.all("churn", rate=options.churn / options.processes)
            for number, (kind, pulling) in enumerate(plan, 1):
                told = f"round {number} of {len(plan)}: {kind}"
                progress.update(task, advance=1, description=told)
                rounds.append(await measure(stand, kind, pulling=pulling))
            progress.update(task, advance=1, description="comparing every byte")
            await stand.workers.all("churn", rate=0)
            await stand.pause(0)
            await caught_up(stand)
            await before_verify(stand)
            return await _verified(stand, rounds)


def _plan(options: Options) -> list[tuple[str, bool]]:
    """Kinds in order, and whether one client pulls meanwhile: in turns, to be compared."""
    kinds = [kind for kind in options.changes for _ in range(options.rounds)]
    turns = (False, True) if options.fair else (False,)
    return [(kind, pulling) for kind in kinds for pulling in turns]


async def _verified(stand: Stand, rounds: list[Round]) -> Result:
    """Compare every client's tree with the hub's."""
    options = stand.options
    found = await stand.workers.all("differences", root=str(stand.root))
    await stand.workers.all("stop")
    if stand.daemons is not None:
        await stand.daemons.verify(options.patience)
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
        hub_idle_cpu=stand.idle_cpu,
        hub_rss_per_client_bytes=(stand.full_rss - stand.idle_rss) / options.clients,
        hub_peak_rss_bytes=max((each.hub_peak_rss_bytes for each in rounds), default=0),
        rounds=tuple(rounds),
        facts=_facts(options),
    )


def _facts(options: Options) -> dict[str, Any]:
    """What was run, and on what."""
    asked = asdict(options) | {"json": str(options.json or ""), "plot": str(options.plot or "")}
    return {
        "options": asked,
        "processors": os.cpu_count(),
        "python": platform.python_version(),
        "kernel": kernel.name,
    }


def run_load_test(options: Options) -> None:
    """Run it, print the table, write the files. ``DaemonError`` when a tree differs."""
    options.check()
    if options.plot is not None:
        load_pyplot()  # before minutes are spent
    console = Console()
    if options.pulls and not installed():
        console.print("rsync is not installed: there is no comparison with it")
    try:
        result = asyncio.run(_until_signal(options, console))
    except asyncio.CancelledError:  # SIGTERM; by now everything has ended
        raise SystemExit(128 + signal.SIGTERM) from None
    show(result, console)
    if options.json is not None:
        options.json.write_text(json.dumps(result.as_json(), indent=1) + "\n")
    if options.plot is not None:
        draw(result, options.plot)
    if not result.ok:
        raise TreesDiffer(result)


async def _until_signal(options: Options, console: Console) -> Result:
    task = asyncio.current_task()
    if task is not None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    return await load_test(options, console)
