"""A progress bar for a person who watches a client; silent anywhere else."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

if TYPE_CHECKING:
    from rich.progress import Progress as Bars
    from rich.progress import TaskID

__all__ = ["Feed", "Progress"]

Feed = Callable[[str, int, int], None]
"""Called with (path, bytes done, bytes in all) as a transfer goes on; done == total ends it."""

SMALL: Final = 4 * 1024 * 1024  # bytes; what is smaller is over before a bar can be read
_INTERVAL: Final = 0.1  # seconds between two drawings


class Progress:
    """Is itself a ``Feed``. Use as a context, so that the terminal is left as it was.

    ``clock`` (seconds, monotonic) decides when to draw again; there is no thread.
    """

    def __init__(
        self, interactive: bool | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._interactive = sys.stderr.isatty() if interactive is None else interactive
        self._clock = clock
        self._drawn = float("-inf")
        self._bars: Bars | None = None
        self._tasks: dict[str, TaskID] = {}

    def __call__(self, path: str, done: int, total: int) -> None:
        """Draw what is new, if anybody watches and it is time."""
        if not self._interactive or total < SMALL:
            return
        bars = self._shown()
        if done >= total:
            task = self._tasks.pop(path, None)
            if task is not None:
                bars.remove_task(task)
        elif path not in self._tasks:
            self._tasks[path] = bars.add_task(_name(path), total=total, completed=done)
        else:
            bars.update(self._tasks[path], total=total, completed=done)
        self._draw(bars, force=done >= total)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bars is not None:
            self._bars.stop()

    def _draw(self, bars: Bars, *, force: bool) -> None:
        now = self._clock()
        if force or now - self._drawn >= _INTERVAL:
            self._drawn = now
            bars.refresh()

    def _shown(self) -> Bars:
        if self._bars is None:
            self._bars = _make_bars()
            self._bars.start()
        return self._bars


def _name(path: str) -> str:
    """The end of a path, which tells files apart, without characters that steer a terminal."""
    shown = "".join(char if char.isprintable() else "?" for char in path)
    return shown if len(shown) <= 40 else "..." + shown[-37:]


def _make_bars() -> Bars:
    # rich.progress takes 0.1 s to import, which only somebody at a terminal should pay.
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    return Progress(*columns, console=Console(stderr=True), auto_refresh=False, transient=True)
