"""A picture of the times: what share of the clients had the new bytes after how long."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pyzsync_daemon.loadtest.rounds import Result
from pyzsync_daemon.pyplot import load_pyplot


def draw(result: Result, path: Path) -> None:
    """Two curves a round, and where its bare server ends. ``NoMatplotlib``, ``OSError``."""
    pyplot = load_pyplot()
    figure, axes = pyplot.subplots(figsize=(9, 5))
    for number, each in enumerate(result.rounds, 1):
        note = f", {each.note}" if each.note else ""
        (line,) = axes.step(
            *_shares(each.latencies), where="post", label=f"{number} {each.change}{note}"
        )
        color = line.get_color()
        axes.step(*_shares(each.arrivals), where="post", color=color, linestyle="--", linewidth=1)
        bare = each.peer("bare")
        if bare is not None:
            axes.axvline(bare.times.last, color=color, linestyle=":", linewidth=1)
    axes.set(
        xlabel="seconds since the last write (dashed: received; dotted: last of the bare server)",
        ylabel="% of the clients that have the new bytes",
        title=f"{result.clients} clients",
        ylim=(0, 101),
    )
    axes.set_xlim(left=0)
    axes.grid(visible=True, alpha=0.3)
    axes.legend(fontsize="small")
    figure.tight_layout()
    figure.savefig(path)
    pyplot.close(figure)


def _shares(times: Sequence[float]) -> tuple[Sequence[float], list[float]]:
    """Times in order, and what share of all is reached at each, in percent."""
    return times, [100 * (rank + 1) / len(times) for rank in range(len(times))]
