"""What is run: each figure for a pair, ours on the kernel and on the twin, and the peers."""

from __future__ import annotations

import asyncio
import json
import shutil
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from benchmarks import peers, servers, trees, wire
from benchmarks.measure import Contender, Result, compete, run
from benchmarks.pairs import Pair
from benchmarks.peers import Peers
from benchmarks.report import PULLED, PUSHED, SEARCH, STORED, TREE, WORST, Row, row

NUMPY = {"PYZSYNC_KERNEL": "numpy"}
WORST_MEGABYTES = "256"


class Suite:
    """Measures ``pair`` in ``work``; ``budget``: seconds that one contender's runs may take."""

    def __init__(self, pair: Pair, found: Peers, work: Path, budget: float) -> None:
        self._pair = pair
        self._peers = found
        self._work = work
        self._budget = budget
        self._length = pair.new.stat().st_size

    def figures(self) -> Mapping[str, Callable[[], Iterator[Row]]]:
        """What can be measured, by its letters."""
        return {
            "A": self.hashing,
            "B": self.searching,
            "worst": self.worst,
            "CD": self.travelling,
            "J": self.memory,
        }

    def hashing(self) -> Iterator[Row]:
        """A: the whole tree."""
        self._warm()
        ours = self._both(TREE, "tree", str(self._pair.new))
        theirs = peers.hashing(self._peers, self._pair.new, self._work)
        yield from self._rows("A", [*ours, *theirs])

    def searching(self) -> Iterator[Row]:
        """B and B+: file to file, and with the transfer where a peer cannot do without."""
        self._warm()
        pair = str(self._pair.old), str(self._pair.new)
        ours = [*self._both(SEARCH, "search", *pair), *self._both(STORED, "stored", *pair)]
        if self._peers.has("rdiff"):
            signature = ["rdiff", "-f", "signature", pair[0], str(self._work / "old.signature")]
            run(Contender("signature of the old file", signature))
        theirs = peers.searching(self._peers, self._pair.old, self._pair.new, self._work)
        yield from self._rows("B", [*ours, *theirs])

    def worst(self) -> Iterator[Row]:
        """B': random bytes, one core."""
        yield from self._rows("B'", self._both(WORST, "worst", WORST_MEGABYTES))

    def travelling(self) -> Iterator[Row]:
        """C and D: ours at the socket; peers by their own counts, nginx's for zsync."""
        deltas = peers.deltas(self._peers, self._pair.old, self._pair.new, self._work)
        yield self._wired("C", PUSHED, wire.push)
        yield from self._rows("C", deltas)
        yield self._wired("D", PULLED, wire.pull)
        yield from self._rows("D", [])
        served = self._work / "served"
        served.mkdir(exist_ok=True)
        shutil.copyfile(self._pair.new, served / "new")
        if self._peers.has("rsync"):
            with servers.rsyncd(served, self._work) as url:
                found = peers.rsyncs(self._peers, url, self._pair.old, self._work)
                yield from self._rows("D", found)
        if self._peers.has("zsync", "zsyncmake", "nginx"):
            yield from self._zsync(served)
        shutil.rmtree(served)

    def memory(self) -> Iterator[Row]:
        """J: the commands that a user has; for the daemons see the peaks beside C and D."""
        pair = str(self._pair.old), str(self._pair.new)
        command = [sys.executable, "-m", "pyzsync_daemon"]
        hashlist = Contender("ours, pyzsync hashlist", [*command, "hashlist", pair[1]], most=1)
        blueprint = Contender("ours, pyzsync blueprint", [*command, "blueprint", *pair], most=1)
        yield from self._rows("J", [hashlist, blueprint])
        for name, way in (("pushed", wire.push), ("pulled", wire.pull)):
            carried = self._carry(way)
            peaks = {"hub": carried.hub_peak, "client": carried.client_peak}
            for who, peak in peaks.items():
                label = f"ours, {who}, {name}"
                yield Row(self._pair.name, "J", label, self._length, peak_bytes=peak)

    # --- inside -----------------------------------------------------------------------------------

    def _warm(self) -> None:
        """What is timed finds its files in the page cache, whoever is the first to read them."""
        for path in (self._pair.old, self._pair.new):
            with path.open("rb") as file:
                while file.read(1 << 20):
                    pass

    def _both(self, name: str, *work: str) -> list[Contender]:
        twin = self._ours(f"{name}, numpy", *work, env=NUMPY)
        return [self._ours(name, *work), twin]

    def _ours(self, name: str, *work: str, env: Mapping[str, str] | None = None) -> Contender:
        command = [sys.executable, "-m", "benchmarks.work", *work]
        return Contender(name, command, facts=json.loads, env=env or {})

    def _rows(self, figure: str, contenders: list[Contender]) -> Iterator[Row]:
        for result in compete(contenders, self._budget):
            yield row(self._pair.name, figure, result, self._length)

    def _wired(self, figure: str, name: str, way: wire.Way) -> Row:
        carried = self._carry(way)
        peak = max(carried.hub_peak, carried.client_peak)
        seconds = carried.seconds
        return Row(
            self._pair.name, figure, name, self._length, seconds, seconds, 0, carried.bytes, peak
        )

    def _carry(self, way: wire.Way) -> wire.Carried:
        with tempfile.TemporaryDirectory(dir=self._work) as work:
            return asyncio.run(way(wire.Place(Path(work), self._pair.old, self._pair.new)))

    def _zsync(self, served: Path) -> Iterator[Row]:
        make = [self._peers.tools["zsyncmake"], "-u", "new", "-o", str(served / "new.zsync")]
        run(Contender("zsyncmake", [*make, str(served / "new")]))
        with servers.nginx(served, self._work) as url:
            found = peers.zsyncs(
                self._peers, url, self._pair.old, self._work, lambda: servers.carried(self._work)
            )
            yield from self._rows("D", found)


def small_files(found: Peers, work: Path) -> Iterator[Row]:
    """I: the first sync of ten thousand small files, ours with Python's start."""
    root = work / "small"
    trees.fill(root)
    seconds = asyncio.run(trees.first_sync(root, work, 3))
    yield Row("small files", "I", TREE, seconds=seconds, whole_seconds=seconds, runs=3)
    if found.has("rsync"):
        copy = work / "copied"

        def begin() -> None:
            if copy.exists():  # it stays, as ours do
                copy.rename(Path(tempfile.mkdtemp(dir=work)) / copy.name)

        with servers.rsyncd(root, work) as url:
            command = [found.tools["rsync"], "-a", f"{url}/", str(copy)]
            results: list[Result] = compete([Contender("rsync", command, begin)], 20.0)
        yield from (row("small files", "I", each, 0) for each in results)


def edits(work: Path) -> Iterator[Row]:
    """H: the median and the 99th percentile."""
    times = sorted(asyncio.run(trees.latencies(work)))
    worst = times[min(len(times) - 1, int(len(times) * 0.99))]
    for name, seconds in (("ours, p50", statistics.median(times)), ("ours, p99", worst)):
        yield Row("edits", "H", name, seconds=seconds, whole_seconds=seconds, runs=len(times))
