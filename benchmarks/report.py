"""What was measured, as rows; which of the aims hold; the ratio of each row to ours."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from benchmarks.measure import Result

LARGE = 500_000_000  # bytes; what is sought in a file of a gigabyte is more than in one of 100 MB

TREE, SEARCH, STORED, WORST = "ours", "ours, no stored tree", "ours, old tree stored", "ours"
PUSHED, PULLED = "ours, pushed", "ours, pulled"
MEMORY = 200_000_000  # bytes

TITLES = {
    "A": "hash tree or hashlist of the new file",
    "B": "find old blocks",
    "B'": "nothing matches, one core",
    "C": "bytes, one version behind",
    "D": "bytes both ways, unknown old file",
    "H": "1 KiB edit in 10 MB, until replaced",
    "I": "10,000 small files, first sync",
    "J": "peak memory: hash, match, patch",
}


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table; 0 where something was not measured.

    ``seconds`` are of the work alone where ours says so, else with the process's start; ``length``
    is the bytes of the new file.
    """

    pair: str
    figure: str
    who: str
    length: int = 0
    seconds: float = 0.0
    whole_seconds: float = 0.0
    cpu_seconds: float = 0.0
    bytes: int = 0
    peak_bytes: int = 0
    runs: int = 1

    @property
    def ours(self) -> bool:
        """Is it ours, on the kernel?"""
        return self.who.startswith("ours") and "numpy" not in self.who


@dataclass(frozen=True, slots=True)
class Verdict:
    """An aim, and what was found: ``value`` in the unit of ``aim``'s words."""

    pair: str
    figure: str
    aim: str
    value: float
    holds: bool


def row(pair: str, figure: str, result: Result, length: int) -> Row:
    """A row of what was run."""
    facts = result.facts
    return Row(
        pair,
        figure,
        result.name,
        int(facts.get("length", length)),
        facts.get("work_seconds", result.seconds),
        result.seconds,
        result.cpu_seconds,
        int(facts.get("bytes", 0)),
        result.peak_bytes,
        result.runs,
    )


def ratio(one: Row, rows: Iterable[Row]) -> float:
    """How many times ours' seconds (bytes, memory) this row's are; 0: nothing to compare.

    Ours is the first row of ours in the same pair and figure.
    """
    mine = next(
        (each for each in rows if (each.pair, each.figure) == (one.pair, one.figure) and each.ours),
        None,
    )
    if mine is None:
        return 0.0
    for name in ("bytes", "seconds", "peak_bytes") if one.bytes else ("seconds", "peak_bytes"):
        theirs, own = getattr(one, name), getattr(mine, name)
        if theirs and own:
            return float(theirs / own)
    return 0.0


def verdicts(rows: Sequence[Row]) -> list[Verdict]:
    """The aims that these rows can judge, in order."""
    found = []
    for pair in dict.fromkeys(each.pair for each in rows):
        own = [each for each in rows if each.pair == pair]
        for judge in (_tree, _search, _stored, _worst, _pushed, _pulled, _edits, _small, _memory):
            if (verdict := judge(own)) is not None:
                found.append(verdict)
    return found


def _get(rows: Sequence[Row], figure: str, *who: str) -> Row | None:
    """The row of the figure with the least bytes, if any, whose name is one of these."""
    found = [each for each in rows if each.figure == figure and each.who in who]
    return min(found, key=lambda each: each.bytes) if found else None


def _faster(
    rows: Sequence[Row], figure: str, mine: str, peer: str, times: float, label: str
) -> Verdict | None:
    own, theirs = _get(rows, figure, mine), _get(rows, figure, peer)
    if own is None or theirs is None:
        return None
    value = theirs.seconds / own.seconds
    return Verdict(own.pair, label, f"{times:g} x as fast as {peer}", value, value >= times)


def _tree(rows: Sequence[Row]) -> Verdict | None:
    return _faster(rows, "A", TREE, "rdiff signature", 6, "A")


def _search(rows: Sequence[Row]) -> Verdict | None:
    times = 20 if max(each.length for each in rows) > LARGE else 5
    return _faster(rows, "B", SEARCH, "rdiff delta", times, "B")


def _stored(rows: Sequence[Row]) -> Verdict | None:
    return _faster(rows, "B", STORED, "rdiff delta", 60, "B+")


def _worst(rows: Sequence[Row]) -> Verdict | None:
    own = _get(rows, "B'", WORST)
    if own is None:
        return None
    speed = own.length / own.seconds / 1e9
    return Verdict(own.pair, "B'", "1 GB/s scanned", speed, speed >= 1)


def _less(
    rows: Sequence[Row], figure: str, mine: str, peers: Sequence[str], times: float, aim: str
) -> Verdict | None:
    own, theirs = _get(rows, figure, mine), _get(rows, figure, *peers)
    if own is None or theirs is None:
        return None
    value = own.bytes / theirs.bytes
    return Verdict(own.pair, figure, aim, value, value <= times)


def _pushed(rows: Sequence[Row]) -> Verdict | None:
    peers = ("zstd -3 --patch-from",)
    return _less(rows, "C", PUSHED, peers, 1.5, "at most 1.5 x zstd --patch-from")


def _pulled(rows: Sequence[Row]) -> Verdict | None:
    peers = tuple(each.who for each in rows if each.who.startswith("rsync"))
    return _less(rows, "D", PULLED, peers, 0.5, "at most 0.5 x rsync at its best block size")


def _small(rows: Sequence[Row]) -> Verdict | None:
    own, theirs = _get(rows, "I", TREE), _get(rows, "I", "rsync")
    if own is None or theirs is None:
        return None
    value = own.seconds / theirs.seconds
    return Verdict(own.pair, "I", "at most 2 x rsync's time", value, value <= 2)


def _edits(rows: Sequence[Row]) -> Verdict | None:
    middle, worst = _get(rows, "H", "ours, p50"), _get(rows, "H", "ours, p99")
    if middle is None or worst is None:
        return None
    holds = middle.seconds <= 0.05 and worst.seconds <= 0.15
    return Verdict(middle.pair, "H", "p50 50 ms, p99 (shown) 150 ms", worst.seconds * 1000, holds)


def _memory(rows: Sequence[Row]) -> Verdict | None:
    peaks = [each.peak_bytes for each in rows if each.figure == "J"]
    if not peaks:
        return None
    value = max(peaks) / 1e6
    return Verdict(rows[0].pair, "J", "at most 200 MB", value, max(peaks) <= MEMORY)
