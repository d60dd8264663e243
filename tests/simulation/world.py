"""A hub and clients in one thread: real sessions, real disks, a bad network, no sockets, no sleeps.

Everything that can happen next is a list of *moves* (deliver a frame, run an effect, answer a
query); a seeded generator picks one. Same seed, same run. Time is a counter: it moves when nothing
else can, to the next moment that a session waits for.

Faults are made by the caller: cut a link, crash a client after a named step of a commit, delete or
restore the hub's state, edit a replica behind its back, change what is under way.
"""

from __future__ import annotations

import random
import shutil
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from protocol import codec, runs
from protocol.errors import Code, ProtocolError
from protocol.messages import Blocks, Goodbye, Message, Query
from pyzsync_daemon.client.effects import Applied, Committed, Effect, Put
from pyzsync_daemon.client.session import ClientSession
from pyzsync_daemon.client.workbench import Workbench, WorkbenchSettings
from pyzsync_daemon.files.root import Root
from pyzsync_daemon.files.trees import TreeStore
from pyzsync_daemon.hub.frames import keep_answers
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
Transit = Callable[[tuple[Message, ...]], tuple[Message, ...]]
ANSWERS = 64 * 1024
IDENTITY = "the simulated hub"
# Of a tree of five files all may go: the guard against that has tests of its own.
SETTINGS = WorkbenchSettings(allow_mass_delete=True)
PATIENCE = 60  # times that the clock may move on before everyone has to be level
SLOW_SHARE = 0.15  # of the effects are slow: they run when up to SLOWEST other moves were made
SLOWEST = 60
AHEAD_NS = 3_600_000_000_000  # the clients' clock: so late that every time on disk is settled


class Killed(BaseException):
    """The process dies here."""


class HubSide:
    """The hub: what is on its disk, and what it made of it."""

    def __init__(self, root: Path, state: Path, identity: str) -> None:
        self.root, self.state, self._identity = root, state, identity
        root.mkdir(parents=True, exist_ok=True)
        self._open()

    def _open(self) -> None:
        self.state.mkdir(parents=True, exist_ok=True)
        self.index = HubIndex(self.state / "hub.sqlite", identity=self._identity)
        self._store = store = TreeStore(self.state / "trees")
        self._root = Root(self.root)
        self.stale: list[str] = []
        self.source = BlockSource(
            self._root, self.index, store, keep_answers(1 << 20), self.stale.append
        )
        self.log = AnnounceLog(self.index, store, self.source.deltas)
        self._answers: dict[Query, tuple[bytes, ...]] = {}

    def publish(self) -> None:
        """Scan the whole tree and commit what differs, however much of it has gone."""
        settings = PublisherSettings(deletion_share=1.0, allow_mass_delete=True)
        ingest = Ingest(self._root, Ignore(), self.index, self._store, settings)
        found, _ = ingest.survey()
        ingest.accept(found, 0.0)
        while ingest.busy:
            ingest.work()

    def answer(self, query: Query) -> tuple[bytes, ...]:
        """Answers are made once and kept, as in the real hub's cache."""
        kept = self._answers.get(query)
        if kept is None:
            answer = self.source.answer(query)
            kept = answer.frames
            if answer.lasting:
                self._answers[query] = kept
        return kept

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
        self.outbox = Outbox()
        self.down: deque[bytes] = deque()
        self.up: deque[bytes] = deque()

    def moves(self) -> Iterator[Move]:
        if self.up:
            yield self._deliver_up
        if self.down:
            yield self._deliver_down
        if self.outbox:
            yield self._send
        elif self.session.has_news or self.session.waiting:
            yield self._serve
        elif self.session.phase is Phase.CLOSED and not self.down:
            yield self.client.cut

    def _deliver_up(self) -> None:
        try:
            for message in codec.decode_frame(self.up.popleft()):
                self.session.receive(message)
        except ProtocolError as error:
            self.session.close(Goodbye(error.code, error.detail))

    def _deliver_down(self) -> None:
        self.client.receive(codec.decode_frame(self.down.popleft()))

    def _send(self) -> None:
        self.down.extend(self.outbox.take(1))

    def _serve(self) -> None:
        """One turn of the hub's connection, when all before it was sent: news, or answers."""
        for effect in self.session.take_effects():
            if isinstance(effect, Start):
                self.session.started(*self.hub.log.start(effect.position))
            elif isinstance(effect, Follow):
                try:
                    self.session.followed(self.hub.log.follow(effect.cursor))
                except ProtocolError as error:
                    self.session.close(Goodbye(error.code, error.detail))
        self.outbox.say(self.session.take_messages())
        queries = [] if self.outbox else self.session.take_queries(ANSWERS)
        for query in queries:
            self.outbox.put(self.hub.answer(query))


class Corruption:
    """Flips a bit in some of the block sets that pass, in what was decoded of the frame."""

    def __init__(self, seed: int, share: float) -> None:
        self.random = random.Random(seed)
        self.share = share
        self.spoilt = 0

    def __call__(self, messages: tuple[Message, ...]) -> tuple[Message, ...]:
        return tuple(map(self._spoil, messages))

    def _spoil(self, message: Message) -> Message:
        if not isinstance(message, Blocks) or not message.data or self.random.random() > self.share:
            return message
        self.spoilt += 1
        data = bytearray(message.data)
        data[self.random.randrange(len(data))] ^= 1 << self.random.randrange(8)
        return replace(message, data=bytes(data))


@dataclass(slots=True, eq=False)
class Pending:
    """An effect that has yet to run, and how many other moves are made before it does."""

    effect: Effect
    wait: int


class ClientSide:
    """A replica, its session, and the effects that have yet to run."""

    def __init__(
        self,
        root: Path,
        settings: WorkbenchSettings,
        clock: Callable[[], int],
        now: Callable[[], float],
        wait: Callable[[], int],
    ) -> None:
        self.root, self._settings, self._clock, self._now = root, settings, clock, now
        self._wait = wait
        self.link: Link | None = None
        self.on_step: Callable[[str], None] = lambda _: None  # called after each step of a commit
        self.transit: Transit = lambda messages: messages  # what the network makes of a frame
        self.refusal: ProtocolError | None = None  # why this client and this hub do not fit
        self.staged: Counter[tuple[bytes, int]] = Counter()  # (version, window) -> leaves received
        self.applied: list[Applied] = []
        self.start()

    def start(self) -> None:
        """The process starts: recover, then audit."""
        self.workbench = Workbench(
            self.root,
            settings=self._settings,
            clock=self._clock,
            step=lambda name: self.on_step(name),
        )
        self.session = ClientSession(
            "sim", self.workbench.hub, self.workbench.position, 2**24, ahead=self.workbench.ahead
        )
        self.pending: list[Pending] = []
        self.session.audit()
        self.pump()

    def stop(self) -> None:
        """The process is gone: whatever it knew beyond its disk is too."""
        self.link = None
        self.pending.clear()
        self.workbench.close()

    def restart(self) -> None:
        self.on_step = lambda _: None
        self.stop()
        self.start()

    def cut(self) -> None:
        """The connection is gone, with every frame that was under way."""
        if self.link is not None:
            self.link = None
            self.session.lost()
            self.pump()

    def connect(self, hub: HubSide) -> None:
        self.cut()
        self.link = Link(hub, self)
        self.session.connected()
        self.pump()

    def receive(self, messages: tuple[Message, ...]) -> None:
        try:
            for message in self.transit(messages):
                self.session.receive(message, self._now())
                if isinstance(message, Goodbye) and message.code is Code.WRONG_HUB:
                    raise ProtocolError(message.code, message.detail)
        except ProtocolError as error:
            if error.code is not Code.WRONG_HUB:
                raise
            self.refusal = error
            self.cut()
        self.pump()

    def audit(self) -> None:
        self.session.audit()
        self.pump()

    def pump(self) -> None:
        """Take what the session wants done and said."""
        messages, effects = self.session.take(self._now())
        self.pending += [Pending(effect, self._wait()) for effect in effects]
        if self.link is not None:
            self.link.up.extend(codec.join(encode(messages)))

    @property
    def effects(self) -> list[Effect]:
        return [pending.effect for pending in self.pending]

    def run(self, pending: Pending) -> None:
        """Run one of the effects that wait; they end in any order."""
        self.pending.remove(pending)
        effect = pending.effect
        result = self.workbench.run(effect)
        if isinstance(effect, Put):
            received = runs.count(effect.query.leaves) - runs.count(effect.gone)
            self.staged[effect.query.version, effect.query.window] += received
        elif isinstance(result, Committed):
            self.applied += result.applied
        self.session.complete(effect, result, self._now())
        self.pump()

    def crash(self, step: str, passings: int = 0) -> None:
        """Die when a commit passes a step, after it has passed it ``passings`` times."""
        left = [passings]

        def die(name: str) -> None:
            if name == step:
                left[0] -= 1
                if left[0] < 0:
                    raise Killed(name)

        self.on_step = die

    @property
    def level(self) -> bool:
        return self.session.settled and not self.session.problems


class World:
    """One hub, some clients, and what may happen next.

    ``trusting``: the clients' clock is so late that fingerprints count as proof; else it is so
    early that every file is read whenever it is looked at.
    """

    def __init__(
        self,
        where: Path,
        clients: int = 1,
        seed: int = 0,
        settings: WorkbenchSettings = SETTINGS,
        trusting: bool = True,
        identity: str = IDENTITY,
    ) -> None:
        self.random = random.Random(seed)
        self.now = 0.0
        self._ticks = time.time_ns() + AHEAD_NS if trusting else 10**18
        self.hub = HubSide(where / "hub", where / "hub-state", identity)
        self.clients = [
            ClientSide(where / f"client{n}", settings, self._clock, lambda: self.now, self._wait)
            for n in range(clients)
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

    def restart_hub(self, replace_state: Callable[[Path], None] = lambda _: None) -> None:
        for client in self.clients:
            client.cut()
        self.hub.reopen(replace_state)

    def step(self) -> bool:
        """One random move; False when nothing can happen by itself before time passes."""
        moves: list[tuple[ClientSide, Pending] | Move] = []
        slow: list[tuple[ClientSide, Pending]] = []
        for client in self.clients:
            for pending in client.pending:
                (slow if pending.wait else moves).append((client, pending))
                pending.wait = max(0, pending.wait - 1)
            if client.link is not None:
                moves += client.link.moves()
        if not (moves or slow):
            return False
        move = self.random.choice(moves or slow)
        if isinstance(move, tuple):
            client, pending = move
            try:
                client.run(pending)
            except Killed:
                client.restart()
        else:
            move()
        return True

    def run(self, steps: int) -> None:
        """At most so many moves: a part of what would happen."""
        for _ in range(steps):
            self._connect()
            if not self.step() and not self._pass_time():
                return

    def run_until(self, reached: Callable[[], bool], limit: int = 100_000) -> None:
        """Moves until something holds."""
        for _ in range(limit):
            if reached():
                return
            self._connect()
            if not self.step() and not self._pass_time():
                break
        raise AssertionError("it never came to that")

    def settle(self, limit: int = 200_000) -> None:
        """Everyone is connected, has looked at its disk, and nothing is left to do.

        Fails if that takes too many moves, or too long.
        """
        self.publish()
        self._come_to_rest(limit)
        for client in self.clients:  # one that was under way may not speak of all paths
            client.audit()
        self._come_to_rest(limit)

    def _come_to_rest(self, limit: int) -> None:
        patience = PATIENCE
        for _ in range(limit):
            self._connect()
            if self.step():
                continue
            if self.hub.stale:
                self.hub.stale.clear()
                self.publish()
            elif all(client.level or client.refusal for client in self.clients):
                return
            elif not patience or not self._pass_time():
                raise AssertionError(f"stuck: {[c.session.problems for c in self.clients]}")
            else:
                patience -= 1
        raise AssertionError("did not settle")

    def _connect(self) -> None:
        for client in self.clients:
            if client.link is None and client.refusal is None:
                client.connect(self.hub)

    def _pass_time(self) -> bool:
        """Go to the next moment that a session waits for."""
        times = [at for client in self.clients if (at := client.session.wake_at()) is not None]
        if not times:
            return False
        self.now = max(self.now, min(times))
        for client in self.clients:
            client.pump()
        return True

    def _wait(self) -> int:
        """Some effects take as long as dozens of others."""
        return self.random.randrange(SLOWEST) if self.random.random() < SLOW_SHARE else 0

    def _clock(self) -> int:
        self._ticks += 1_000_000
        return self._ticks


def restart_from(copy: Path) -> Callable[[Path], None]:
    """Put a copy of the hub's state in the place of the present one."""

    def replace(state: Path) -> None:
        shutil.rmtree(state)
        shutil.copytree(copy, state)

    return replace
