"""The bytes of ranges of a version: read a window at a time, and searched for blocks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pyzsync.grid import LEAF, WINDOW
from pyzsync.kernel import Matcher
from pyzsync.runs import Runs

__all__ = ["KeptLeaves", "ReadLeaves", "WindowRanges", "find_blocks", "read_ranges"]

ReadLeaves = Callable[[int, Runs], bytes]
Column = NDArray[np.int64]


class WindowRanges(NamedTuple):
    """Ranges of one window: offsets in the version, sizes, and where in ``data`` each begins."""

    starts: Column
    sizes: Column
    at: Column
    data: bytes


def read_ranges(starts: Column, stops: Column, read: ReadLeaves) -> Iterator[WindowRanges]:
    """Cut ranges, which ascend and do not overlap, at windows, and read them.

    One ``read`` a window, of the leaves that hold any of them.
    """
    first = starts // WINDOW
    counts = (stops - 1) // WINDOW - first + 1
    which = np.repeat(np.arange(len(starts)), counts)
    window = np.arange(len(which)) - np.repeat(np.cumsum(counts) - counts, counts) + first[which]
    starts = np.maximum(starts[which], window * WINDOW)
    stops = np.minimum(stops[which], (window + 1) * WINDOW)
    edges = np.flatnonzero(np.diff(window, prepend=-1, append=-1))
    for head, stop in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
        yield _read(int(window[head]), starts[head:stop], stops[head:stop], read)


def _read(window: int, starts: Column, stops: Column, read: ReadLeaves) -> WindowRanges:
    origin = window * WINDOW
    first, last = (starts - origin) // LEAF, -((origin - stops) // LEAF)
    apart = np.append(True, first[1:] > last[:-1])  # else it goes on in the leaves before it
    heads = np.flatnonzero(apart)
    tails = np.append(heads[1:], len(first)) - 1
    first, last = first[heads], last[tails]
    data = read(window, list(zip(first.tolist(), last.tolist(), strict=True)))
    skipped = last - np.cumsum(last - first)  # leaves of the window that the data have not
    at = starts - origin - skipped[np.cumsum(apart) - 1] * LEAF
    return WindowRanges(starts, stops - starts, at, data)


class KeptLeaves:
    """``read`` behind a memory of ``room`` bytes, for ranges that are read again and only shrink.

    What has no room is read again.
    """

    def __init__(self, read: ReadLeaves, room: int) -> None:
        self._source = read
        # Takes memory only where it is written, and gives all of it back at once.
        self._memory = np.empty(room, dtype=np.uint8).data
        self._used = 0
        self._held: dict[int, tuple[Runs, memoryview]] = {}

    def read(self, window: int, leaves: Runs) -> bytes:
        """Leaves of a window: all that were ever asked for, or fewer of these."""
        held = self._held.get(window)
        if held is not None:
            return _cut(*held, leaves)
        data = self._source(window, leaves)
        kept = self._memory[self._used : self._used + len(data)]
        if len(kept) == len(data):
            kept[:] = data
            self._used += len(data)
            self._held[window] = leaves, kept
        return data


def _cut(runs: Runs, data: memoryview, asked: Runs) -> bytes:
    """Of the bytes of some runs of leaves those of others, all of them in the former."""
    if runs == asked:
        return bytes(data)
    starts, stops = np.array(runs).T
    first, last = np.array(asked).T
    skipped = stops - np.cumsum(stops - starts)
    skipped = skipped[np.searchsorted(starts, first, side="right") - 1]
    spans = zip((first - skipped).tolist(), (last - skipped).tolist(), strict=True)
    return b"".join([data[start * LEAF : stop * LEAF] for start, stop in spans])


def find_blocks(matcher: Matcher, block: int, windows: Iterator[WindowRanges]) -> Column:
    """Where in the ranges each wanted block of ``block`` bytes is found: its offset, or -1."""
    # The matcher sees the windows' data as if they followed each other: where each range begins in
    # that, and where in the version.
    seen, begins = [np.zeros(1, dtype=np.int64)], [np.full(1, -1, dtype=np.int64)]
    base, end, tail = 0, -1, b""
    for starts, sizes, at, data in windows:
        at = at + base
        if starts[0] != end:
            tail = b""
        # A range that goes on in the next window overlaps itself by all but a byte of a block.
        ranges = np.stack((at, at + sizes), axis=1)
        ranges[0, 0] -= len(tail)
        matcher.scan_ranges(tail + data, base - len(tail), ranges.data)
        seen.append(at)
        begins.append(starts)
        end = int(starts[-1] + sizes[-1])
        tail = data[: int(ranges[-1, 1]) - base][-min(int(sizes[-1]), block - 1) :]
        base += len(data)
    offsets = np.frombuffer(matcher.offsets(), dtype="<i8").astype(np.int64)
    ranges_seen, ranges_begin = np.concatenate(seen), np.concatenate(begins)
    which = np.searchsorted(ranges_seen, offsets, side="right") - 1
    return np.where(offsets < 0, -1, ranges_begin[which] + offsets - ranges_seen[which])
