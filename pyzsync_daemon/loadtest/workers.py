"""The worker processes, and what is said to all of them."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from asyncio.subprocess import PIPE, Process
from pathlib import Path
from typing import Any

from pyzsync_daemon.errors import DaemonError
from pyzsync_daemon.loadtest.worker import LINE

_STOP_S = 20.0


class WorkerFailed(DaemonError):
    """A worker ended, or could not do what it was told."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return f"a worker of the load test failed: {self.reason}"


class Workers:
    """Several worker processes that share the clients evenly."""

    def __init__(self) -> None:
        self._processes: list[Process] = []

    async def start(self, count: int, log: Path) -> None:
        """Start ``count`` processes; what they complain of goes to ``log``."""
        clean = {key: value for key, value in os.environ.items() if "PYZSYNC_" not in key}
        for number in range(count):
            with log.with_name(f"{log.name}-{number}").open("wb") as stderr:
                self._processes.append(
                    await asyncio.create_subprocess_exec(
                        *(sys.executable, "-m", "pyzsync_daemon.loadtest.worker"),
                        stdin=PIPE,
                        stdout=PIPE,
                        stderr=stderr,
                        env=clean,
                        limit=LINE,
                        start_new_session=True,  # Ctrl-C is for the load test, which ends them
                    )
                )

    @property
    def pids(self) -> list[int]:
        """The processes."""
        return [each.pid for each in self._processes]

    async def all(self, do: str, **order: object) -> list[Any]:
        """Tell all the same; returns their answers. ``WorkerFailed``."""
        return await self.each(do, [order] * len(self._processes))

    async def each(self, do: str, orders: list[dict[str, object]]) -> list[Any]:
        """Tell each its own."""
        asked = zip(self._processes, orders, strict=True)
        asking = [_ask(each, {"do": do, **order}) for each, order in asked]
        answers = await asyncio.gather(*asking, return_exceptions=True)  # nobody is left waiting
        for answer in answers:
            if isinstance(answer, BaseException):
                raise answer
        return answers

    async def one(self, number: int, do: str, **order: object) -> Any:  # noqa: ANN401 - from JSON
        """Tell one of them."""
        return await _ask(self._processes[number], {"do": do, **order})

    def kill(self) -> None:
        """Break off whatever they do."""
        for each in self._processes:
            if each.returncode is None:
                each.kill()

    async def stop(self) -> None:
        """End all; who does not end in time is killed."""
        for each in self._processes:
            if each.stdin is not None:
                each.stdin.close()
        for each in self._processes:
            try:
                async with asyncio.timeout(_STOP_S):
                    await each.wait()
            except TimeoutError:
                each.kill()
                await each.wait()
        self._processes = []


def shares(count: int, workers: int) -> list[int]:
    """So many clients for each worker."""
    return [count // workers + (number < count % workers) for number in range(workers)]


async def _ask(process: Process, order: dict[str, object]) -> Any:  # noqa: ANN401 - from JSON
    assert process.stdin is not None and process.stdout is not None
    try:
        process.stdin.write(json.dumps(order).encode() + b"\n")
        await process.stdin.drain()
        line = await process.stdout.readline()
    except ConnectionError:
        line = b""
    if not line:
        raise WorkerFailed(f"it ended while it was told to {order['do']}")
    answer = json.loads(line)
    if "error" in answer:
        raise WorkerFailed(f"{order['do']}: {answer['error']}")
    return answer["ok"]
