"""Run a hub or a client as a process: settings, logs, signals, results.

SIGTERM or SIGINT asks the daemon to drain, within a bounded time. Further ones change nothing: what
runs us may send one to us and one to our process group, and that is no impatience. SIGUSR1 asks a
hub for its counters, and does nothing to a client.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import threading
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Final, TypeVar

import structlog

from pyzsync_daemon import logs, loop
from pyzsync_daemon.cli.exits import Exit
from pyzsync_daemon.config import (
    ClientSettings,
    Config,
    ConfigError,
    HubSettings,
    Problem,
    advice,
    load,
)
from pyzsync_daemon.descriptors import make_room
from pyzsync_daemon.progress import Progress
from pyzsync_daemon.units import format_bytes, format_seconds

__all__ = ["run", "run_client", "run_hub"]

T = TypeVar("T")
Start = Callable[[asyncio.Event], Coroutine[None, None, T]]

GRACE: Final = 5.0
"""Seconds beyond the time to drain after which the process ends whatever its threads do: one may
be in the midst of hashing a huge file, and every state on disk is safe to leave behind."""


def run_hub(file: Path | None, options: Mapping[str, object]) -> None:
    """``pyzsync hub``: returns when it was told to stop and has drained."""
    config = _load("hub", file, options)
    _announce_advice(config.hub, file)
    if sentence := make_room(config.hub.max_clients):
        structlog.get_logger().warning("advice", text=sentence)
    from pyzsync_daemon.hub.server import serve  # after the checks, which should be quick

    def listening(url: str) -> None:
        print(f"listening on {url}", flush=True)

    async def start(stop: asyncio.Event) -> None:
        count = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, count.set)
        await serve(config.hub, stop=stop, on_listening=listening, count=count)

    run(start, seconds=config.hub.drain_s + GRACE)


def run_client(
    file: Path | None, options: Mapping[str, object], *, once: bool, as_json: bool
) -> None:
    """``pyzsync client``: returns when it was told to stop, or with ``once`` when up to date."""
    config = _load("client", file, options)
    if not config.client.hub:
        allowed = 'give --hub URL, PYZSYNC_CLIENT__HUB, or hub = "ws://..." in [client]'
        raise ConfigError(Problem("no hub to follow", allowed=allowed))
    _announce_advice(config.client, file)
    from pyzsync_daemon.client.daemon import follow

    with Progress() as progress:
        summary = run(
            lambda stop: follow(config.client, stop=stop, once=once, progress=progress),
            seconds=GRACE,
            code=Exit.FAILED if once else Exit.OK,
        )
    if as_json:
        print(json.dumps(asdict(summary)))
    elif once:
        print(
            f"up to date: {summary.applied} changes, {format_bytes(summary.fetched)} fetched, "
            f"{format_bytes(summary.reused)} reused, {summary.conflicts} kept aside, "
            f"in {format_seconds(summary.seconds)}"
        )


def run(start: Start[T], *, seconds: float, code: int = Exit.OK) -> T:
    """Run a daemon's coroutine to its end, with ``stop`` set by the first signal.

    ``seconds`` after that the process exits with ``code`` even if a thread is still busy.
    """
    last_resort = threading.Timer(seconds, _leave, args=(code,))
    last_resort.daemon = True
    # Its default is to kill: a client, or a hub that is asked before it listens.
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    try:
        return loop.run(_signalled(start, last_resort))
    finally:
        last_resort.cancel()


async def _signalled(start: Start[T], last_resort: threading.Timer) -> T:
    running = asyncio.get_running_loop()
    stop = asyncio.Event()

    def asked() -> None:
        if not stop.is_set():
            stop.set()
            last_resort.start()

    for number in (signal.SIGTERM, signal.SIGINT):
        running.add_signal_handler(number, asked)
    return await start(stop)


def _leave(code: int) -> None:
    structlog.get_logger().warning("not drained in time", exit_code=int(code))
    sys.stdout.flush()
    os._exit(code)


def _load(table: str, file: Path | None, options: Mapping[str, object]) -> Config:
    typed = {
        (table, key): str(value) if isinstance(value, Path) else value
        for key, value in options.items()
    }
    config = load(file, os.environ, typed, role=table)
    logs.setup(config.log)
    return config


def _announce_advice(settings: HubSettings | ClientSettings, file: Path | None) -> None:
    for sentence in advice(settings, file):
        structlog.get_logger().warning("advice", text=sentence)
