"""Forks daemons that can be killed: a kill then costs a fork, and no interpreter that starts.

Run as a process, it reads an order, forks, and says the child's pid; at the next line it waits for
the child's end and says its exit code. The child is the real daemon on the real disk, with two
additions: it may kill itself (as ``kill -9`` does) after the nth of some named steps, and it writes
down each block set that it has staged and verified. It never lives longer than ``LIFE``.
"""

import importlib
import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

from pyzsync_daemon import logs
from pyzsync_daemon.cli.daemons import run
from pyzsync_daemon.client.daemon import ClientDaemon
from pyzsync_daemon.client.replica import WorkbenchSettings
from pyzsync_daemon.client.report import Report
from pyzsync_daemon.client.workbench import Workbench
from pyzsync_daemon.config import ClientSettings, HubSettings, LogSettings
from pyzsync_daemon.hub.server import serve

TOP = Path(__file__).parents[2]
LIFE = 30  # seconds
PRELOAD = ("sqlite3", "watchfiles", "websockets.asyncio.client", "websockets.asyncio.server")
ANY = "any"
PUT = "put"  # beside the steps of a commit: a block set was staged and verified


class Steps:
    """Counts steps. At the nth of a name (or of ``ANY``) the process dies, or the race is run."""

    def __init__(self, order):
        self._name, self._nth = order.get("step", ""), order.get("nth", 1)
        self._race = order.get("race")
        self._seen = 0

    def __call__(self, name):
        if self._name not in (name, ANY):
            return
        self._seen += 1
        if self._seen != self._nth:
            return
        if self._race is None:
            os.kill(os.getpid(), signal.SIGKILL)
        race(**self._race)


def race(path, data, way):
    """Somebody writes to the target, just now."""
    if way == "in place":
        with open(path, "r+") as file:
            file.write(data)
    else:
        Path(path + ".tmp").write_text(data)
        Path(path + ".tmp").rename(path)


class Counted(Workbench):
    """A workbench that writes down what was fetched for good: ``version bytes`` a line."""

    def __init__(self, *arguments, ledger, step):
        super().__init__(*arguments, step=step)
        self._ledger = os.open(ledger, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._step = step

    def put(self, effect):
        planned = super().put(effect)
        if not planned.error and not planned.plan.blocks:
            line = f"{effect.change.version.hex()} {effect.size}\n"
            os.write(self._ledger, line.encode())
            self._step(PUT)
        return planned

    def close(self):
        super().close()
        os.close(self._ledger)


def client(order):
    """Run a client to its end."""
    root = Path(order["root"])
    settings = ClientSettings(
        root=root, hub=order["hub"], backoff_min_s=0.02, backoff_max_s=0.1, **order["settings"]
    )

    async def follow(stop):
        steps = Steps(order)
        workbench = Counted(
            root, None, WorkbenchSettings(deletion_share=1.0), ledger=order["ledger"], step=steps
        )
        try:
            report = Report(lambda *_: None, settings.hub)
            daemon = ClientDaemon(settings, workbench, report, once=order["once"])
            await daemon.run(stop)
        finally:
            workbench.close()

    run(follow, seconds=30)


def hub(order):
    """Run a hub to its end."""
    settings = HubSettings(root=Path(order["root"]), **order["settings"])
    ready = Path(order["ready"])
    run(lambda stop: serve(settings, stop=stop, on_listening=ready.write_text), seconds=30)


ROLES = {"client": client, "hub": hub}


def child(order):
    """In the forked process."""
    signal.alarm(LIFE)
    log = os.open(order["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(log, 1)
    os.dup2(log, 2)
    logs.setup(LogSettings(level="info", format="json"))
    ROLES[order["role"]](order)


def main():
    for name in PRELOAD:
        importlib.import_module(name)
    while line := sys.stdin.readline():
        pid = os.fork()
        if not pid:
            code = 1
            try:
                child(json.loads(line))
                code = 0
            except BaseException:
                sys.excepthook(*sys.exc_info())
            finally:
                os._exit(code)
        print(pid, flush=True)
        sys.stdin.readline()  # until somebody asks how it ended, nobody else gets its pid
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)


class Zygote:
    """The process that forks, seen from the test. One child at a time."""

    def __init__(self):
        # OpenBLAS would start threads, and only what has none may be forked.
        alone = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.integration.zygote"],
            cwd=TOP,
            env=alone,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.pid = 0

    def start(self, **order):
        """Fork a daemon; returns once it runs."""
        assert not self.pid
        self._say(json.dumps(order))
        self.pid = int(self._process.stdout.readline())

    def wait(self):
        """Wait for the daemon's end (it has one: see ``LIFE``); returns its exit code."""
        self._say("")
        code = int(self._process.stdout.readline())
        self.pid = 0
        return code

    def end(self, number):
        """Send a signal, and wait for the end."""
        os.kill(self.pid, number)
        return self.wait()

    def _say(self, line):
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()

    def clear(self):
        """End the daemon, if there is one."""
        if self.pid:
            self.end(signal.SIGKILL)

    def close(self):
        """End both."""
        self.clear()
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()


def free_port():
    """A port that is free now, to be used by one hub after the other."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


if __name__ == "__main__":
    main()
