"""The command line: ``python -m benchmarks [PAIR ...]``, which is ``make bench PAIRS=...``."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from rich.console import Console

from benchmarks import pairs, peers, plot, suite, table
from benchmarks.report import Row, verdicts

RESULTS = Path(__file__).with_name("results")


def main() -> int:
    """Measure, print, write; returns the exit code."""
    parser = argparse.ArgumentParser(prog="make bench", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("pairs", nargs="*", help="OLD:NEW, or a directory of NAME/old, NAME/new")
    parser.add_argument("--only", default="", help="figures, of A,B,worst,CD,J,I,H; others stay")
    parser.add_argument("--budget", type=float, default=25, help="seconds for the runs of one")
    parser.add_argument("--work", type=Path, help="a directory on a disk with room for six copies")
    parser.add_argument("--results", type=Path, default=RESULTS)
    options = parser.parse_args()
    found = peers.find()
    if found.missing:
        missing = ", ".join(found.missing)
        print(f"not installed, left out: {missing} (make bench-setup)", file=sys.stderr)
    with tempfile.TemporaryDirectory(prefix="bench-", dir=options.work) as name:
        work = Path(name)
        try:
            given = pairs.find(options.pairs) or [pairs.make(work)]
        except ValueError as error:
            print(error, file=sys.stderr)
            return 2
        rows = list(_all(given, found, work, options.only, options.budget))
    if options.only:
        rows = table.renewed(table.read(options.results / "bench.json"), rows)
    judged = verdicts(rows)
    table.show(rows, judged, Console(width=150))
    options.results.mkdir(parents=True, exist_ok=True)
    table.write(rows, judged, options.results / "bench.json")
    plot.draw(rows, options.results / "bench.png")
    print(f"written to {options.results}")
    return 0


def _all(
    given: list[pairs.Pair], found: peers.Peers, work: Path, only: str, budget: float
) -> Iterator[Row]:
    """Every figure that is wanted, told as it comes: this takes minutes."""
    for pair in given:
        one = suite.Suite(pair, found, work, budget)
        for letters, measure in one.figures().items():
            yield from _told(letters, only, measure)
    yield from _told("I", only, lambda: suite.small_files(found, work))
    yield from _told("H", only, lambda: suite.edits(work))


def _told(letters: str, only: str, measure: Callable[[], Iterator[Row]]) -> Iterator[Row]:
    if only and letters not in only.split(","):
        return
    for row in measure():
        print(
            f"{row.pair}, {row.figure}: {row.who}: {row.seconds:.3f} s, {row.bytes:,} bytes",
            flush=True,
            file=sys.stderr,
        )
        yield row


if __name__ == "__main__":
    sys.exit(main())
