"""Runs a daemon's coroutine: on uvloop where that is installed, else on asyncio's own loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import TypeVar

T = TypeVar("T")

try:
    import uvloop
except ImportError:  # not built for this system or this Python
    new_event_loop: Callable[[], asyncio.AbstractEventLoop] | None = None
else:
    new_event_loop = uvloop.new_event_loop


def run(main: Coroutine[None, None, T]) -> T:
    """The result of ``main``, as ``asyncio.run`` gives it."""
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        return runner.run(main)
