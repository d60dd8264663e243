"""The columns of a large hash tree while it is built: in a file without a name, not in memory.

They are written, and mapped only when they are whole: a full disk is an error, and no signal.
"""

from __future__ import annotations

import mmap
from collections.abc import Callable, Sequence
from itertools import accumulate
from pathlib import Path
from tempfile import TemporaryFile
from weakref import finalize

from pyzsync.grid import KEPT_WIDTH
from pyzsync.hashes import Hashes
from pyzsync_daemon.files.fully import write_fully

_NODE = 4 + KEPT_WIDTH  # bytes: a weak sum, and what is kept of the strong one


class ScratchColumns:
    """Columns for levels of ``counts`` nodes, in a file of ``directory`` that goes with them.

    Any thread may put nodes. Raises ``OSError`` when the disk says no.
    """

    def __init__(self, directory: Path, counts: Sequence[int]) -> None:
        self._counts = counts
        self._starts = [0, *accumulate(count * _NODE for count in counts)]
        self._file = TemporaryFile(dir=directory)  # noqa: SIM115 - it lasts as long as the columns
        finalize(self, self._file.close)
        self._file.truncate(max(self._starts[-1], 1))  # an empty file cannot be mapped

    def put(self, level: int, first: int, part: Hashes) -> None:
        """Keep some hashes."""
        fd, start = self._file.fileno(), self._starts[level]
        strong = start + self._counts[level] * part.weak.itemsize
        write_fully(fd, start + first * part.weak.itemsize, part.weak.data.cast("B"))
        write_fully(fd, strong + first * part.width, part.strong.data.cast("B"))

    def finish(self) -> tuple[list[Hashes], Callable[[], object]]:
        """Views over the mapped file, and what gives back their memory."""
        mapped = mmap.mmap(self._file.fileno(), 0, access=mmap.ACCESS_READ)
        data = memoryview(mapped)
        levels = []
        for start, count in zip(self._starts, self._counts, strict=False):
            weak, end = start + 4 * count, start + _NODE * count
            levels.append(Hashes.from_bytes(data[start:weak], data[weak:end], KEPT_WIDTH))
        return levels, lambda: mapped.madvise(mmap.MADV_DONTNEED)
