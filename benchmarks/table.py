"""The rows as one table, the aims as another, both also as JSON."""

from __future__ import annotations

import json
import platform
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.report import TITLES, Row, Verdict, ratio
from pyzsync_daemon.units import format_bytes, format_seconds


def show(rows: Sequence[Row], verdicts: Sequence[Verdict], console: Console) -> None:
    """Print both tables."""
    console.print(_measured(rows))
    console.print(_judged(verdicts))


def _measured(rows: Sequence[Row]) -> Table:
    table = Table(title="Ours beside others; ratio: how many times ours (the figure's first row)")
    for name in ("pair", "", "who"):
        table.add_column(name)
    for name in ("time", "all of it", "CPU", "bytes", "peak memory", "runs", "ratio"):
        table.add_column(name, justify="right")
    last = ("", "")
    for one in rows:
        group = one.pair, one.figure
        if group != last:
            table.add_section()
            table.add_row(one.pair, one.figure, f"[bold]{TITLES[one.figure]}[/bold]")
        last = group
        times = ratio(one, rows)
        table.add_row(
            "",
            "",
            one.who,
            format_seconds(one.seconds) if one.seconds else "",
            format_seconds(one.whole_seconds) if one.whole_seconds else "",
            format_seconds(one.cpu_seconds) if one.cpu_seconds else "",
            f"{one.bytes:,}" if one.bytes else "",
            format_bytes(one.peak_bytes) if one.peak_bytes else "",
            str(one.runs),
            f"{times:.2f}" if times else "",
        )
    return table


def _judged(verdicts: Sequence[Verdict]) -> Table:
    table = Table(title="Aims")
    for name in ("", "pair", "aim", "found", "holds"):
        table.add_column(name, justify="right" if name == "found" else "left")
    for one in verdicts:
        holds = "[green]yes[/green]" if one.holds else "[red]no[/red]"
        table.add_row(one.figure, one.pair, one.aim, f"{one.value:.2f}", holds)
    return table


def write(rows: Sequence[Row], verdicts: Sequence[Verdict], path: Path) -> None:
    """All of it as JSON, with the machine it was measured on."""
    found = {
        "machine": {
            "cpu": _cpu(),
            "system": f"{platform.system()} {platform.machine()}",
            "python": platform.python_version(),
        },
        "rows": [asdict(one) for one in rows],
        "aims": [asdict(one) for one in verdicts],
    }
    path.write_text(json.dumps(found, indent=1) + "\n")


def read(path: Path) -> list[Row]:
    """The rows of an earlier run; none if there was none."""
    if not path.exists():
        return []
    return [Row(**each) for each in json.loads(path.read_text())["rows"]]


def renewed(before: Sequence[Row], rows: Sequence[Row]) -> list[Row]:
    """The rows of an earlier run, with those of the same pair and figure replaced."""
    groups = {(each.pair, each.figure): list[Row]() for each in (*before, *rows)}
    for part in (before, rows):
        for group in {(each.pair, each.figure) for each in part}:
            groups[group] = [each for each in part if (each.pair, each.figure) == group]
    pairs = list(dict.fromkeys(pair for pair, _ in groups))
    order = sorted(groups, key=lambda group: (pairs.index(group[0]), group[1]))
    return [each for group in order for each in groups[group]]


def _cpu() -> str:
    """The processor's name, as Linux tells it."""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()
