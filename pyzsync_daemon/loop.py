"""Runs a daemon's coroutine: on uvloop where that is installed, else on asyncio's own loop."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable, Coroutine
from typing import Final, TypeVar

T = TypeVar("T")

GARBAGE: Final = 100_000  # values made, and not freed, between two looks for garbage in cycles

try:
    import uvloop
except ImportError:  # not built for this system or this Python
    new_event_loop: Callable[[], asyncio.AbstractEventLoop] | None = None
else:
    new_event_loop = uvloop.new_event_loop


def run(main: Coroutine[None, None, T]) -> T:
    """The result of ``main``, as ``asyncio.run`` gives it.

    A daemon makes hundreds of thousands of small values in bursts, none of them in cycles: looking
    for those after every 700 takes a tenth of the time of a first sync.
    """
    gc.freeze()  # what was imported stays
    gc.set_threshold(GARBAGE)
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        return runner.run(main)
