"""A worker process: simulated clients and bare connections, told what to do line by line.

``python -m pyzsync_daemon.loadtest.worker`` reads one JSON object a line from standard input and
answers each with one on standard output. It ends with its input, so it never outlives who asks.
"""

from __future__ import annotations

import asyncio
import gc
import json
import sys
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pyzsync_daemon import logs, loop
from pyzsync_daemon.config import LogSettings
from pyzsync_daemon.descriptors import raise_limit
from pyzsync_daemon.loadtest.bareclients import BareClients
from pyzsync_daemon.loadtest.fleet import Fleet, Setup

LINE = 2**26  # bytes of a command or an answer, at the most

Order = dict[str, Any]


class Worker:
    """Does what it is told. Seconds in orders are bounds; what they bound raises TimeoutError."""

    def __init__(self) -> None:
        self._fleet: Fleet | None = None
        self._bare = BareClients()
        self._verbs: dict[str, Callable[[Order], Awaitable[object]]] = {
            "start": self._start,
            "anew": lambda order: self.fleet.anew(),
            "hold": _now(lambda order: self.fleet.hold()),
            "release": _now(lambda order: self.fleet.release()),
            "arm": _now(self._arm),
            "seen": self._seen,
            "level": lambda order: self.fleet.level(order["seconds"]),
            "pause": _now(lambda order: self.fleet.pause(order["count"])),
            "churn": _now(lambda order: self.fleet.churn(order["rate"])),
            "spoil": _now(self._spoil),
            "differences": _now(lambda order: self.fleet.differences(Path(order["root"]))),
            "bare": self._start_bare,
            "bare_arm": _now(lambda order: self._bare.arm(order["size"])),
            "bare_seen": lambda order: self._bare.seen(order["seconds"]),
            "stop": lambda order: self.stop(),
        }

    @property
    def fleet(self) -> Fleet:
        """The clients."""
        if self._fleet is None:
            raise RuntimeError("no clients were started")
        return self._fleet

    async def answer(self, order: Order) -> Order:
        """Do one order; an error is an answer too."""
        try:
            return {"ok": await self._verbs[order["do"]](order)}
        except Exception as error:
            return {"error": f"{type(error).__name__}: {error}"}

    async def stop(self) -> None:
        """End all clients and connections."""
        await self._bare.stop()
        if self._fleet is not None:
            try:
                await self._fleet.stop()
            finally:
                self._fleet.close()
                self._fleet = None

    async def _start(self, order: Order) -> None:
        path = {key: Path(order[key]) if order[key] else None for key in ("base", "ca")}
        self._fleet = Fleet(
            Setup(order["url"], order["count"], Path(order["home"]), path["base"], path["ca"])
        )
        await self._fleet.start(order["seconds"], order["empty"])
        gc.freeze()  # the collector has nothing to find among what stays to the end

    def _arm(self, order: Order) -> None:
        # Between rounds: a client alone on its machine has no heap of five hundred to go through.
        gc.collect()
        expected = order["expected"]
        if expected is None:
            self.fleet.arm(None)
        else:
            self.fleet.arm({path: bytes.fromhex(each) for path, each in expected.items()})

    async def _seen(self, order: Order) -> Order:
        return asdict(await self.fleet.seen(order["seconds"]))

    def _spoil(self, order: Order) -> None:
        self.fleet.clients[order["client"]].replica.spoil(order["path"])

    async def _start_bare(self, order: Order) -> None:
        ca = Path(order["ca"]) if order["ca"] else None
        await self._bare.start(order["url"], order["count"], ca, order["seconds"])
        gc.freeze()


def _now(work: Callable[[Order], object]) -> Callable[[Order], Awaitable[object]]:
    async def done(order: Order) -> object:
        return work(order)

    return done


async def serve() -> None:
    """Answer orders until there are no more."""
    reader = asyncio.StreamReader(limit=LINE)
    running = asyncio.get_running_loop()
    await running.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    worker = Worker()
    try:
        while line := await reader.readline():
            print(json.dumps(await worker.answer(json.loads(line))), flush=True)
    finally:
        await worker.stop()


def main() -> None:
    """Run a worker process."""
    logs.setup(LogSettings(level="error"))
    gc.disable()
    raise_limit()
    loop.run(serve())


if __name__ == "__main__":
    main()
