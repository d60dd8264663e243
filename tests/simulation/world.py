"""A hub and clients in one thread: real sessions, real disks, a bad network, no sockets, no sleeps.

Everything that can happen next is a list of *moves* (deliver a frame, run an effect, answer a
query); a seeded generator picks one. Same seed, same run. Time is a counter: it moves when nothing
else can, to the next moment that a session waits for.

Faults are moves too, made by the caller: cut a link, crash a client between two named steps of a
commit, delete or restore the hub's state, edit a replica behind its back.
"""

from __future__ import annotations

import os
import random
import shutil
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path

from protocol import codec
from protocol.errors import ProtocolError
from protocol.messages import Goodbye, Message
from pyzsync_daemon.client.effects import Effect
from pyzsync_daemon.client.session import ClientSession
from pyzsync_daemon.client.workbench import Workbench, WorkbenchSettings
from pyzsync_daemon.files.root import Root
from pyzsync_daemon.files.trees import TreeStore
from pyzsync_daemon.hub.index import HubIndex
from pyzsync_daemon.hub.ingest import Ingest
from pyzsync_daemon.hub.log import AnnounceLog
from pyzsync_daemon.hub.outbox import Outbox
from pyzsync_daemon.hub.publishing import PublisherSettings
from pyzsync_daemon.hub.session import Follow, HubFacts, HubSession, Phase, Start
from pyzsync_daemon.hub.source import BlockSource
from pyzsync_daemon.ignore import Ignore
from pyzsync_daemon.transport import encode

Move = Callable[[], None]
ANSWERS = 64 * 1024
IDENTITY = "the simulated hub"


class Killed(BaseException):
    """The process dies here."""


class HubSide:
    """The hub: what is on its disk, and what it made of it."""

    def __init__(self, root: Path, state: Path) -> None:
        self.root, self.state = root, state
        root.mkdir(parents=True, exist_ok=True)
        self._open()

    def _open(self) -> None:
        self.state.mkdir(parents=True, exist_ok=True)
        self.index = HubIndex(self.state / "hub.sqlite", identity=IDENTITY)
        store = TreeStore(self.state / "trees")
        self._root = Root(self.root)
        self.stale: list[str] = []
        self.log = AnnounceLog(self.index, store)
        self.source = BlockSource(self._root, self.index, store, self.stale.append)
        self._ingest = Ingest(
            self._root,
            Ignore(),
            self.index,
            store,
            PublisherSettings(deletion_share=1.0, allow_mass_delete=True),
        )

    def publish(self) -> None:
        """Scan the whole tree and commit what differs."""
        self._ingest.accept(self._ingest.survey(), 0.0)
        while self._ingest.busy:
            self._ingest.work()

    def close(self) -> None:
        self.index.close()
        self._root.close()

    def reopen(self, replace_state: Callable[[Path], None] = lambda _: None) -> None:
        """Restart, with the state directory changed in between."""
        self.close()
        replace_state(self.state)
        self._open()


class Link:
    """One connection: frames under way in both directions, and the hub's session for it."""

    def __init__(self, hub: HubSide, client: ClientSide) -> None:
        self.hub, self.client = hub, client
        self.session = HubSession(HubFacts("sim", hub.index.identity, b"", 64))
        self.outbox = Outbox(ANSWERS)
        self.down: deque[bytes] = deque()
        self.up: deque[bytes] = deque()

    def moves(self) -> Iterator[Move]:
        if self.up:
            yield self._deliver_up
        if self.down:
            yield self._deliver_down
        if self.session.has_news or self.outbox.depth or self.session.waiting:
            yield self._serve

    def _deliver_up(self) -> None:
        for message in codec.decode_frame(self.up.popleft()):
            self.session.receive(message)

    def _deliver_down(self) -> None:
        self.client.receive(codec.decode_frame(self.down.popleft()))

    def _serve(self) -> None:
        """One turn of the hub's connection: effects, then messages, then answers."""
        for effect in self.session.take_effects():
            if isinstance(effect, Start):
                self.session.started(*self.hub.log.start(effect.position))
            elif isinstance(effect, Follow):
                try:
                    self.session.followed(self.hub.log.follow(effect.cursor))
                except ProtocolError as error:
                    self.session.close(Goodbye(error.code, error.detail))
        self.outbox.put(encode(self.session.take_messages()))
        queries = [] if self.outbox.depth else self.session.take_queries(ANSWERS)
        for query in queries:
            self.outbox.put(self.hub.source.answer(query).frames)
        self.session.answered(len(queries))
        if (frame := self.outbox.next_frame()) is not None:
            self.down.append(frame)


class ClientSide:
    """A replica, its session, and the effects that have yet to run."""

    def __init__(self, root: Path, settings: WorkbenchSettings, clock: Callable[[], int]) -> None:
        self.root, self.settings, self._clock = root, settings, clock
        self.link: Link | None = None
        self.kill_at = ""  # the named step after which the process dies
        self.steps: list[str] = []
        self.fetched: dict[tuple[bytes, int], int] = {}  # (version, window) -> leaves received
        self.start()

    def start(self) -> None:
        """The process starts: recover, then audit."""
        self.workbench = Workbench.open(
            self.root, settings=self.settings, clock=self._clock, step=self._step
        )
        self.session = ClientSession("sim", self.workbench.hub, self.workbench.position, 2**24, 64)
        self.effects: list[Effect] = []
        self.session.audit()
        self.pump(0.0)

    def stop(self) -> None:
        """The process is gone: whatever it knew beyond its disk is too."""
        self.cut()
        self.effects.clear()
        self.workbench.close()

    def cut(self) -> None:
        """The connection is gone, with every frame that was under way."""
        if self.link is not None:
            self.link = None
            self.session.lost()
            self.pump(0.0)

    def connect(self, hub: HubSide) -> None:
        self.cut()
        self.link = Link(hub, self)
        self.session.connected()
        self.pump(0.0)

    def receive(self, messages: tuple[Message, ...]) -> None:
        for message in messages:
            self.session.receive(message, self.now)
        self.pump(self.now)

    now = 0.0

    def pump(self, now: float) -> None:
        messages, effects = self.session.take(now)
        self.effects += effects
        if self.link is not None:
            self.link.up.extend(codec.join(encode(messages)))

    def run(self, effect: Effect) -> None:
        """Run one of the effects that wait; they end in any order."""
        self.effects.remove(effect)
        result = self.workbench.run(effect)
        self.session.complete(effect, result, self.now)
        self.pump(self.now)

    def _step(self, name: str) -> None:
        self.steps.append(name)
        if name == self.kill_at:
            raise Killed(name)


class World:
    """One hub, some clients, and what may happen next."""

    def __init__(
        self, where: Path, clients: int, seed: int, settings: WorkbenchSettings | None = None
    ) -> None:
        self.random = random.Random(seed)
        self.now = 0.0
        self._ticks = 1_700_000_000_000_000_000
        self.hub = HubSide(where / "hub", where / "hub-state")
        chosen = settings or WorkbenchSettings(deletion_share=1.0)
        self.clients = [
            ClientSide(where / f"client{number}", chosen, self._clock) for number in range(clients)
        ]

    def close(self) -> None:
        for client in self.clients:
            client.stop()
        self.hub.close()

    def publish(self) -> None:
        """The hub looks at its disk, and every connection hears of it."""
        self.hub.publish()
        for client in self.clients:
            if client.link is not None:
                client.link.session.published()

    def step(self) -> bool:
        """One random move; False when nothing can happen by itself before time passes."""
        moves: list[Move] = []
        for client in self.clients:
            client.now = self.now
            moves += [lambda c=client, e=effect: c.run(e) for effect in client.effects]
            if client.link is not None:
                moves += client.link.moves()
                if client.link.session.phase is Phase.CLOSED and not client.link.down:
                    moves.append(client.cut)
        if moves:
            self.random.choice(moves)()
        return bool(moves)

    def run(self, steps: int) -> None:
        """At most so many moves: a part of what would happen."""
        for _ in range(steps):
            if not self.step() and not self._pass_time():
                return

    def settle(self, limit: int = 200_000) -> None:
        """Everyone is connected and nothing is left to do. Fails if that takes too long."""
        self.publish()
        for client in self.clients:
            client.session.audit()
            client.pump(self.now)
        for _ in range(limit):
            for client in self.clients:
                if client.link is None:
                    client.connect(self.hub)
            if not self.step():
                if self.hub.stale:
                    self.hub.stale.clear()
                    self.publish()
                elif all(client.session.settled for client in self.clients):
                    return
                elif not self._pass_time():
                    raise AssertionError(f"stuck: {[c.session.problems for c in self.clients]}")
        raise AssertionError("did not settle")

    def _pass_time(self) -> bool:
        """Go to the next moment that a session waits for."""
        times = [at for client in self.clients if (at := client.session.wake_at()) is not None]
        if not times:
            return False
        self.now = max(self.now, min(times))
        for client in self.clients:
            client.now = self.now
            client.pump(self.now)
        return True

    def _clock(self) -> int:
        self._ticks += 1_000_000
        return self._ticks


def restart_from(copy: Path) -> Callable[[Path], None]:
    """Put a copy of the hub's state in the place of the present one."""

    def replace(state: Path) -> None:
        shutil.rmtree(state)
        shutil.copytree(copy, state)

    return replace


def tree_of(root: Path) -> dict[str, tuple[object, ...]]:
    """All entries beneath a root, but for what is reserved: kind, mode, mtime, content."""
    found: dict[str, tuple[object, ...]] = {}
    for folder, folders, files in os.walk(root):
        here = Path(folder)
        if here == root and ".pyzsync" in folders:
            folders.remove(".pyzsync")
        for name in [*folders, *files]:
            path = here / name
            status = path.lstat()
            key = str(path.relative_to(root))
            if path.is_symlink():
                found[key] = ("symlink", os.readlink(path))
            elif path.is_dir():
                found[key] = ("directory", status.st_mode & 0o777, status.st_mtime_ns)
            else:
                found[key] = ("file", status.st_mode & 0o777, status.st_mtime_ns, path.read_bytes())
    return found
