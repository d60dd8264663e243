"""Passes over a file's pieces in the threads of an executor that the caller hands in.

The kernel gives up the GIL, so threads share the work on the pieces; pyzsync starts none itself.
Without an executor the same pieces are worked on in the same order, here and now, so that the
result does not depend on who did it. A pass waits for the executor's threads: it must not run in
one of them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future
from typing import TypeVar

from pyzsync.errors import ShortRead
from pyzsync.grid import WINDOW, finest_kept, window_bytes, window_count
from pyzsync.hashes import WindowHashes, hash_window
from pyzsync.tree import HashTree, build_tree

Item = TypeVar("Item")
Result = TypeVar("Result")
Read = Callable[[int, int], bytes]

AHEAD = 8
"""Pieces under way at once: some for each of a few threads, and 16 MiB at most, in windows."""


def in_turn(
    work: Callable[[Item], Result],
    items: Iterable[Item],
    executor: Executor | None = None,
    ahead: int = AHEAD,
) -> Iterator[Result]:
    """``work(item)`` for each of ``items``, in their order, at most ``ahead`` of them under way.

    An item is taken only when its work can begin. If the caller stops early, or some work fails,
    what has begun is waited for and what has not is cancelled: nothing is left behind that reads
    from a closed file.
    """
    if executor is None:
        yield from map(work, items)
        return
    waiting: deque[Future[Result]] = deque()
    try:
        for item in items:
            waiting.append(executor.submit(work, item))
            if len(waiting) >= ahead:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        begun = [future for future in waiting if not future.cancel()]
        for future in begun:
            future.exception()


def hash_pieces(
    read: Read,
    length: int,
    executor: Executor | None = None,
    base: int | None = None,
    ahead: int = AHEAD,
) -> HashTree:
    """The hash tree of a file that is read at offsets: ``hash_stream`` for several threads.

    ``read(offset, size)`` is called from the executor's threads, once for each window and once at
    the end; fewer bytes than asked mean that the file ends there. ShortRead if it has not exactly
    ``length`` bytes. A file of one window is hashed here: to wake a thread would only take time.
    """
    kept = finest_kept(length) if base is None else base
    if length <= WINDOW:
        executor = None

    def hash_one(window: int) -> WindowHashes:
        data = read(window * WINDOW, window_bytes(length, window))
        if len(data) < window_bytes(length, window):
            raise ShortRead(length, window * WINDOW + len(data))
        return hash_window(data, kept)

    windows = range(window_count(length))
    tree = build_tree(length, in_turn(hash_one, windows, executor, ahead), kept)
    if read(length, 1):
        raise ShortRead(length, length + 1)
    return tree
