"""Real processes: start them, wait for what they should do, stop them.

Nothing sleeps for luck: every wait is for a condition, and its bound is far beyond what it takes.
"""

import json
import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

from tests.simulation.disk import tree_of, walk

TOP = Path(__file__).parents[2]
BOUND = 45.0  # seconds
READY = "listening on "


def until(condition, what, bound=BOUND):
    """Wait until ``condition()`` is true, and return what it gave. ``what`` is told if it fails."""
    deadline = time.monotonic() + bound
    while not (result := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {bound:g} s: {what() if callable(what) else what}")
        time.sleep(0.02)
    return result


def shape_of(root):
    """A tree without the bytes of its files, of which only the sizes are looked at."""
    found = {}
    for name, path in walk(root):
        status = path.lstat()
        what = path.readlink() if stat.S_ISLNK(status.st_mode) else status.st_size
        what = 0 if stat.S_ISDIR(status.st_mode) else what
        mode = stat.S_IFMT(status.st_mode) if path.is_symlink() else status.st_mode
        found[name] = (mode, status.st_mtime_ns, what)
    return found


def looked_at(look, *roots):
    """What ``look`` finds at some roots; one that changes meanwhile differs from all others."""
    found = []
    for root in roots:
        try:
            found.append(look(root))
        except (FileNotFoundError, NotADirectoryError):
            found.append({"changing": (str(root),)})
    return found


def trees(*roots):
    """The trees at some roots, with all bytes."""
    return looked_at(tree_of, *roots)


def differences(left, right):
    """Where two trees differ, in a form that can be read."""
    paths = sorted(path for path in left.keys() | right.keys() if left.get(path) != right.get(path))
    return [(path, _short(left.get(path)), _short(right.get(path))) for path in paths[:10]]


def _short(entry):
    if entry is None or entry[0] != "file":
        return entry
    return (*entry[:3], len(entry[3]))


def until_equal(root, *replicas, bound=BOUND):
    """Wait until the replicas hold what the root holds: kinds, modes, mtimes, targets, bytes."""

    def equal():
        """All bytes are read only when everything else is equal."""
        for look in (shape_of, tree_of):
            first, *others = looked_at(look, root, *replicas)
            if any(other != first for other in others):
                return False
        return True

    def told():
        first, *others = trees(root, *replicas)
        return [differences(first, other) for other in others]

    until(equal, told, bound)


class Daemon:
    """One ``pyzsync`` process; its log and its standard output go to files."""

    def __init__(self, name, log, arguments, settings):
        self.name = name
        self._log = log
        self._out = log.with_suffix(".out")
        self._parsed, self._events = 0, []  # bytes of the log, and what was in them
        clean = {key: value for key, value in os.environ.items() if "PYZSYNC_" not in key}
        with log.open("wb") as stderr, self._out.open("wb") as stdout:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "pyzsync_daemon", *map(str, arguments)],
                cwd=TOP,
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                env={**clean, **settings},
                start_new_session=True,
            )

    @property
    def pid(self):
        return self.process.pid

    @property
    def running(self):
        return self.process.poll() is None

    def out(self):
        """What it wrote to standard output."""
        return self._out.read_text()

    def log(self):
        """What it wrote to standard error."""
        return self._log.read_text(errors="replace")

    def tail(self):
        """The end of its log, for whoever wonders why a test fails."""
        return "\n".join(self.log().splitlines()[-12:])

    def events(self, event=None, **facts):
        """The log's JSON lines, in order: those of one event, and with some facts."""
        with self._log.open("rb") as log:
            log.seek(self._parsed)
            for line in log:
                if not line.endswith(b"\n"):
                    break  # it is being written
                self._parsed += len(line)
                if line.startswith(b"{"):
                    self._events.append(json.loads(line))
        wanted = {**facts, **({"event": event} if event else {})}
        return [each for each in self._events if wanted.items() <= each.items()]

    def until(self, event, count=1, **facts):
        """Wait for an event to be logged (``count`` times); returns the last of them."""

        def logged():
            found = self.events(event, **facts)
            assert found or self.running, f"{self.name} ended:\n{self.tail()}"
            return len(found) >= count and found[count - 1]

        return until(logged, lambda: f"{event} {facts} of {self.name}; its log:\n{self.tail()}")

    def ends(self, code=0, bound=BOUND):
        """Wait for its end, which has to be with this exit code and without a traceback."""
        found = self.process.wait(bound)
        assert found == code, f"{self.name} ended with {found}, not {code}:\n{self.tail()}"
        assert "Traceback" not in self.log(), self.log()

    def stop(self, code=0):
        """SIGTERM; it ends as it should."""
        self.process.send_signal(signal.SIGTERM)
        self.ends(code)

    def kill(self):
        """SIGKILL; nothing is asked."""
        self.process.kill()
        self.process.wait(BOUND)


class Hub(Daemon):
    """A hub that serves: ``url`` is where."""

    def url(self):
        """Wait for the one line of standard output."""

        def printed():
            assert self.running or self.out(), f"{self.name} ended:\n{self.tail()}"
            return self.out().endswith("\n")

        until(printed, lambda: f"where {self.name} listens; its log:\n{self.tail()}")
        return self.out().removeprefix(READY).strip()


class Fleet:
    """The processes of one test. Settings are keys of the daemons' tables."""

    def __init__(self, place):
        self.place = place
        self.daemons = []

    def hub(self, root, listen="127.0.0.1:0", options=(), env=(), **settings):
        """Start a hub; ``url()`` waits until it serves."""
        arguments = ["hub", root, "--listen", listen, *options]
        return self._start(Hub, arguments, "HUB", settings, dict(env))

    def client(self, root, hub, *options, env=(), **settings):
        """Start a client."""
        quick = {"backoff_max_s": 0.5, **settings}
        arguments = ["client", root, "--hub", hub if isinstance(hub, str) else hub.url(), *options]
        return self._start(Daemon, arguments, "CLIENT", quick, dict(env))

    def once(self, root, hub, code=0, **settings):
        """Run a client with ``--once`` to its end."""
        client = self.client(root, hub, "--once", **settings)
        client.ends(code)
        return client

    def stop(self, *daemons):
        """Stop daemons, by default all that run; each has to end well."""
        for daemon in daemons or [each for each in self.daemons if each.running]:
            daemon.stop()

    def clear(self):
        """After the test, however it went: nothing runs on."""
        for daemon in self.daemons:
            if daemon.running:
                daemon.kill()

    def _start(self, kind, arguments, table, settings, env):
        name = f"{arguments[0]}-{len(self.daemons)}"
        given = {f"PYZSYNC_{table}__{key.upper()}": str(value) for key, value in settings.items()}
        daemon = kind(name, self.place / f"{name}.log", arguments, {**given, **env})
        self.daemons.append(daemon)
        return daemon


def reads(daemon, path):
    """Whether a process has a file open."""
    for descriptor in Path(f"/proc/{daemon.pid}/fd").iterdir():
        try:
            if descriptor.readlink() == path:
                return True
        except FileNotFoundError:  # closed meanwhile
            continue
    return False
