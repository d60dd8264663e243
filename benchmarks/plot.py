"""The rows as bars: seconds of A and B, bytes of C and D, for each pair."""

from __future__ import annotations

from collections.abc import Sequence
from math import floor, log10
from pathlib import Path
from typing import Any

import matplotlib as mpl

from benchmarks.report import TITLES, Row
from pyzsync_daemon.units import format_bytes, format_seconds

DRAWN = (("A", "seconds"), ("B", "seconds"), ("C", "bytes"), ("D", "bytes"))
OURS, TWIN, OTHERS = "tab:blue", "tab:cyan", "tab:gray"


def draw(rows: Sequence[Row], path: Path) -> bool:
    """One picture a figure and pair; False if there is nothing to draw."""
    mpl.use("Agg")  # a file is drawn, on machines without a screen
    from matplotlib import pyplot

    pairs = [name for name in dict.fromkeys(row.pair for row in rows) if _of(rows, name, "A")]
    if not pairs:
        return False
    figure, grid = pyplot.subplots(
        len(pairs), len(DRAWN), figsize=(4.2 * len(DRAWN), 2.8 * len(pairs)), squeeze=False
    )
    for line, pair in zip(grid, pairs, strict=True):
        for axes, (letter, quantity) in zip(line, DRAWN, strict=True):
            own = [row for row in _of(rows, pair, letter) if getattr(row, quantity)][::-1]
            _bars(axes, own, quantity)
            axes.set_title(f"{pair}: {TITLES[letter]}", fontsize=8)
            axes.set_xlabel(quantity, fontsize=7)
            axes.tick_params(labelsize=7)
    figure.tight_layout()
    figure.savefig(path, dpi=80)
    pyplot.close(figure)
    return True


def _bars(axes: Any, rows: Sequence[Row], quantity: str) -> None:  # noqa: ANN401
    """Nothing is drawn where nothing was measured: a log scale has no place for it."""
    from matplotlib.ticker import NullFormatter

    values = [getattr(row, quantity) for row in rows]
    if not values:
        return
    tell = format_bytes if quantity == "bytes" else format_seconds
    bars = axes.barh([row.who for row in rows], values, color=[_colour(row) for row in rows])
    axes.bar_label(bars, [tell(value) for value in values], padding=2, fontsize=7)
    axes.set_xscale("log")
    # From a whole decade on, with room for the last label.
    axes.set_xlim(10 ** floor(log10(min(values)) - 0.3), max(values) * 8)
    axes.xaxis.set_minor_formatter(NullFormatter())


def _of(rows: Sequence[Row], pair: str, figure: str) -> list[Row]:
    return [row for row in rows if (row.pair, row.figure) == (pair, figure)]


def _colour(row: Row) -> str:
    if row.ours:
        return OURS
    return TWIN if row.who.startswith("ours") else OTHERS
