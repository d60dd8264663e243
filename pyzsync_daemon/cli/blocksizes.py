"""``pyzsync blocksizes``: what the size of a block costs in time and bytes, by the classic API."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

import aiofiles

from pyzsync import block_checksums, get_blueprint, zsync_delta
from pyzsync_daemon.pyplot import load_pyplot
from pyzsync_daemon.units import format_bytes, format_seconds

__all__ = ["BLOCKSIZES", "MAX_BLOCKS", "Row", "draw", "measure", "show_blocksizes"]

BLOCKSIZES: Final = (1, 2, 4, *(1 << power for power in range(3, 21)))  # 8 B to 1 MiB, as the seed

# A block is a row of plain Python data, some 300 bytes of memory and microseconds of time.
MAX_BLOCKS: Final = 1 << 20

# What the classic hashlist says of a block: 4 bytes of weak, 16 of strong.
_ENTRY: Final = 20

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Row:
    """One blocksize. ``skipped`` says why nothing was measured."""

    blocksize: int
    hash_seconds: float = 0.0
    match_seconds: float = 0.0
    hash_bytes: int = 0
    missing_bytes: int = 0
    skipped: str = ""

    @property
    def total_bytes(self) -> int:
        """What would travel, uncompressed."""
        return self.hash_bytes + self.missing_bytes


def show_blocksizes(old: Path, new: Path, plot: Path | None) -> None:
    """Print the table as it is measured, and draw it."""
    if plot is not None:
        load_pyplot()  # before minutes are spent
    print(
        f"{'blocksize':>10} {'hashing':>10} {'matching':>10} "
        f"{'hashlist':>10} {'missing':>10} {'bytes':>10}"
    )
    rows = []
    for row in measure(old, new):
        rows.append(row)
        print(f"{row.blocksize:>10} {row.skipped or _columns(row)}", flush=True)
    if plot is not None:
        draw([row for row in rows if not row.skipped], plot)
        print(f"drawn to {plot}")


def measure(old: Path, new: Path) -> Iterator[Row]:
    """Each blocksize in turn. Raises ``OSError`` or a ``ClassicError``."""
    length = max(old.stat().st_size, new.stat().st_size)
    for blocksize in BLOCKSIZES:
        if length > blocksize * MAX_BLOCKS:
            most = format_bytes(blocksize * MAX_BLOCKS)
            yield Row(blocksize, skipped=f"skipped: only for files of up to {most}")
        else:
            yield asyncio.run(_measure(old, new, blocksize))


async def _measure(old: Path, new: Path, blocksize: int) -> Row:
    async with aiofiles.open(new, "rb") as patched, aiofiles.open(old, "rb") as unpatched:
        (count, hashes), hashing = await _timed(lambda: block_checksums(patched, blocksize))
        delta, matching = await _timed(lambda: zsync_delta(unpatched, hashes, blocksize))
        length = await patched.tell()
    _, missing = get_blueprint(delta, count)
    size = len(missing) * blocksize
    if count - 1 in missing:
        size -= count * blocksize - length  # the last block may be short
    return Row(blocksize, hashing, matching, _ENTRY * count, size)


async def _timed(work: Callable[[], Awaitable[T]]) -> tuple[T, float]:
    started = time.perf_counter()
    result = await work()
    return result, time.perf_counter() - started


def _columns(row: Row) -> str:
    seconds = (row.hash_seconds, row.match_seconds)
    amounts = (row.hash_bytes, row.missing_bytes, row.total_bytes)
    return " ".join(
        [
            *(f"{format_seconds(each):>10}" for each in seconds),
            *(f"{format_bytes(each):>10}" for each in amounts),
        ]
    )


def draw(rows: list[Row], path: Path) -> None:
    """Two pictures side by side: seconds and bytes by blocksize."""
    pyplot = load_pyplot()
    sizes = [row.blocksize for row in rows]
    figure, (times, amounts) = pyplot.subplots(1, 2, figsize=(11, 4.5))
    times.plot(sizes, [row.hash_seconds for row in rows], "o-", label="hashing")
    times.plot(sizes, [row.match_seconds for row in rows], "o-", label="matching")
    amounts.plot(sizes, [row.hash_bytes for row in rows], "o-", label="hashlist")
    amounts.plot(sizes, [row.missing_bytes for row in rows], "o-", label="missing blocks")
    amounts.plot(sizes, [row.total_bytes for row in rows], "k--", label="both")
    for axes, label in ((times, "seconds"), (amounts, "bytes")):
        axes.set(xlabel="blocksize in bytes", ylabel=label)
        axes.set_xscale("log", base=2)
        axes.grid(visible=True, alpha=0.3)
        axes.legend()
    times.set_yscale("log")
    amounts.set_yscale("symlog", linthresh=1)  # nothing may be missing
    amounts.set_ylim(bottom=0)
    figure.tight_layout()
    figure.savefig(path)
    pyplot.close(figure)
