"""A picture of the times: what share of the clients had the new bytes after how long."""

from __future__ import annotations

from pathlib import Path

from pyzsync_daemon.loadtest.rounds import Result
from pyzsync_daemon.pyplot import load_pyplot


def draw(result: Result, path: Path) -> None:
    """One curve a round, and one for its bare server's last. ``NoMatplotlib``, ``OSError``."""
    pyplot = load_pyplot()
    figure, axes = pyplot.subplots(figsize=(9, 5))
    for number, each in enumerate(result.rounds, 1):
        count = len(each.latencies)
        shares = [100 * (rank + 1) / count for rank in range(count)]
        note = f", {each.note}" if each.note else ""
        (line,) = axes.step(
            each.latencies, shares, where="post", label=f"{number} {each.change}{note}"
        )
        bare = each.peer("bare")
        if bare is not None:
            axes.axvline(bare.times.last, color=line.get_color(), linestyle=":", linewidth=1)
    axes.set(
        xlabel="seconds since the last write on the hub (dotted: last of the bare server)",
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
