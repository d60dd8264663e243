"""One hub and one replica whose daemons are killed and started again, any number of times."""

import io
import itertools
import os
import random
import signal
import time
from collections import Counter

from pyzsync import hash_stream
from tests.integration.support import BOUND, until, until_equal
from tests.integration.zygote import free_port
from tests.simulation.disk import kept_aside

KIB, MIB = 2**10, 2**20
IN_FLIGHT = 2 * MIB  # so that a big file takes several rounds of requests


def noise(seed, size):
    return random.Random(seed).randbytes(size)


def version_of(data):
    return hash_stream(io.BytesIO(data).read, len(data)).version.hex()


def make_sparse(path, seed, size):
    """A large file that takes little room, whole at once: there is no version before it."""
    aside = path.parent.with_name("aside")
    with aside.open("wb") as file:
        file.write(noise(seed, MIB))
        file.truncate(size)
    aside.rename(path)


class Bench:
    """``kills`` counts, by who was killed. Local edits are made here, so that they are known."""

    def __init__(self, place, zygotes):
        self.root, self.replica = place / "root", place / "replica"
        self.root.mkdir()
        self.place = place
        self.kills = Counter()
        self.sizes = {}  # version -> size, of files that nobody edits locally
        self.edits = []  # what the user of the replica wrote
        self._aside = place / "new"
        self._port = free_port()
        self._hub, self._client = zygotes
        self._numbers = itertools.count()

    def clear(self):
        """After the test, however it went: nothing runs on."""
        self._client.clear()
        self._hub.clear()

    # --- daemons -------------------------------------------------------------------------------

    def start_hub(self):
        """Start the hub, and wait until it serves."""
        ready = self.place / "ready"
        ready.unlink(missing_ok=True)
        settings = {"listen": f"127.0.0.1:{self._port}", "identity": "bench", "deletion_share": 1.0}
        self._hub.start(
            role="hub",
            root=str(self.root),
            ready=str(ready),
            log=str(self.place / "hub.log"),
            settings=settings,
        )
        until(ready.exists, lambda: f"no hub: {self.log('hub')}")

    def start_client(self, **fate):
        """Start the client; ``fate``: the step after which something happens to it."""
        self._client.start(
            role="client",
            root=str(self.replica),
            hub=f"ws://127.0.0.1:{self._port}",
            once=False,
            ledger=str(self.place / "ledger"),
            log=str(self.place / "client.log"),
            settings={"inflight_bytes": IN_FLIGHT},
            **fate,
        )

    def client_dies(self):
        """Wait until the client has killed itself."""
        code = self._client.wait()
        assert code == -signal.SIGKILL, self.log("client")
        self.kills["client"] += 1

    def kill_client(self):
        """Kill it now, if it has not done so itself."""
        assert self._client.end(signal.SIGKILL) == -signal.SIGKILL, self.log("client")
        self.kills["client"] += 1

    def kill_hub(self):
        assert self._hub.end(signal.SIGKILL) == -signal.SIGKILL, self.log("hub")
        self.kills["hub"] += 1

    def stop_hub(self):
        assert self._hub.end(signal.SIGTERM) == 0, self.log("hub")

    def level(self):
        """A client that nobody kills brings the replica level, and ends as it should."""
        log = self.place / "client.log"
        log.touch()
        before = log.stat().st_size
        self.start_client()
        until(lambda: b'"connected"' in log.read_bytes()[before:], lambda: self.log("client"))
        self.await_level()

    def await_level(self):
        """The client that runs brings the replica level, and ends as it should."""
        try:
            until_equal(self.root, self.replica)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.log('client')}\n{self.log('hub')}") from None
        assert self._client.end(signal.SIGTERM) == 0, self.log("client")

    def log(self, who):
        """The end of a log."""
        lines = (self.place / f"{who}.log").read_text().splitlines()
        return "\n".join(lines[-15:])

    # --- edits ---------------------------------------------------------------------------------

    def put(self, path, data):
        """Put a file in the root whole, so that there is no version in between."""
        self._aside.write_bytes(data)
        self._aside.rename(self.root / path)

    def put_big(self, path, data):
        """The same for one that nobody edits locally; its version has a length of its own."""
        data += bytes(next(self._numbers))
        self.sizes[version_of(data)] = len(data)
        self.put(path, data)

    def edit_locally(self, path):
        """The user of the replica adds a line."""
        line = f"local edit {len(self.edits)}\n".encode()
        with (self.replica / path).open("ab") as file:
            file.write(line)
        self.edits.append((self.replica / path).read_bytes())

    # --- what has to hold ----------------------------------------------------------------------

    def check(self):
        """After ``level``: nothing lost, nothing kept that no edit explains, no litter.

        An edit on top of another (which the first one's line shows) stands for both.
        """
        aside = list(kept_aside(self.replica).values())
        assert [data[-40:] for data in aside if data not in self.edits] == []
        lost = [data for data in self.edits if not any(kept.startswith(data) for kept in aside)]
        assert [data[-40:] for data in lost] == []
        assert os.listdir(self.replica / ".pyzsync/staging") == []

    def check_fetched_once(self):
        """Over all lives of the client, no verified byte was fetched twice."""
        fetched = Counter()
        for line in (self.place / "ledger").read_text().splitlines():
            version, size = line.split()
            fetched[version] += int(size)
        known = {version: count for version, count in fetched.items() if version in self.sizes}
        assert known
        more = {version: count - self.sizes[version] for version, count in known.items()}
        assert {version: count for version, count in more.items() if count > 0} == {}


def pause(seconds):
    """A random moment in the life of a process: no condition is waited for, so none is missed."""
    assert seconds < BOUND
    time.sleep(seconds)
