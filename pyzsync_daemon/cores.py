"""Threads for a pass over one large file: the kernel works without the interpreter lock."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager

__all__ = ["AHEAD", "LARGE", "cores"]

LARGE = 32 << 20
"""Bytes from which on a second core is worth its threads; smaller files come many at a time."""

AHEAD = 4
"""Windows under way at once: 8 MiB."""


@contextmanager
def cores(size: int) -> Iterator[Executor | None]:
    """A thread for each core while ``size`` bytes are worked on; None if they are not many."""
    count = os.cpu_count() or 1
    if size < LARGE or count < 2:
        yield None
        return
    with ThreadPoolExecutor(count, "cores") as executor:
        yield executor
