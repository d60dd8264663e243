"""The board's invariants, under any order of announcements, answers, results, failures and cuts."""

from collections import defaultdict

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from protocol import runs
from protocol.errors import Code
from protocol.messages import Change, Failed, HashQuery, Kind, Published, PublishedQuery
from pyzsync_daemon.client import pipeline as pipeline_module
from pyzsync_daemon.client.board import BIG, Board
from pyzsync_daemon.client.effects import (
    Abandon,
    Applied,
    Commit,
    Committed,
    Finish,
    Match,
    Outcome,
    Plan,
    Planned,
    Prepare,
    Prepared,
    Put,
    State,
)
from pyzsync_daemon.client.jobs import LOOSE, Stage
from pyzsync_daemon.client.pipeline import Pipeline
from pyzsync_daemon.client.requests import Requests
from tests.pyzsync_daemon.client.values import (
    LEAF,
    absent,
    block_query,
    blocks,
    directory,
    file,
    hash_query,
    hashlist,
    position,
    version,
)

PATHS = ["a", "b", "c", "d"]
MAX_QUERIES = 4
MAX_BYTES = 6 * LEAF
ACTIVE = 3  # instead of MAX_ACTIVE, so that a handful of paths meets the bound

luck = st.integers(0, 11)  # 0: the worst that can happen; mostly nothing does


class Disk:
    """A workbench without a disk: it remembers what is staged and in place, and checks."""

    def __init__(self):
        self.tree = {}  # path -> change in place
        self.staged = {}  # path -> change, from its Prepare to its Commit or Abandon
        self.fetchers = defaultdict(set)  # version -> paths that use what the hub sent of it
        self.verified = set()

    def run(self, effect, luck):
        match effect:
            case Prepare():
                return Prepared(tuple(self.prepare(change, luck) for change in effect.changes))
            case Match() | Put() | Finish():
                return self.transfer(effect, luck)
            case Abandon():
                del self.staged[effect.change.path]
                self.close(effect.change)
                return Planned(effect.change)
            case Commit():
                return self.commit(effect, luck)

    def prepare(self, change, luck):
        path = change.path
        assert path not in self.staged, f"{path} was never committed or abandoned"
        if luck == 0:
            return Outcome(change, State.FAILED, error="disk full")
        if luck == 1:
            return Outcome(change, State.REFUSED, error="local edit")
        there = self.tree.get(path)
        if there is not None and _same(there, change):
            self.tree[path] = change
            return Outcome(change, State.SATISFIED)
        self.staged[path] = change
        local = version(99) if luck == 2 else b""
        if change.kind is not Kind.FILE or change.version in self.versions():
            self.verified.add(path)
            return Outcome(change, State.READY, local=local)
        number = change.version[0]
        if luck % 2:
            plan = Plan(hashes=(hash_query(number),))
        else:
            plan = Plan(blocks=tuple(block_query(number, w) for w in range(luck // 2)))
        return Outcome(change, State.PULL, plan, local)

    def transfer(self, effect, luck):
        change = effect.change
        number = change.version[0]
        assert _same(self.staged[change.path], change)
        self.fetchers[change.version].add(change.path)
        assert self.fetchers[change.version] == {change.path}, "fetched by two paths at a time"
        if luck == 0:
            return Planned(change, error="disk full")
        if isinstance(effect, Match):
            return Planned(change, Plan(blocks=tuple(block_query(number, w) for w in range(luck))))
        if isinstance(effect, Put):
            if luck == 2:  # it came in one piece
                self.verified.add(change.path)
                return Planned(change, whole=True)
            again = effect.gone or luck == 1
            return Planned(change, Plan(blocks=(effect.query,)) if again else Plan())
        if luck == 1:
            return Planned(change, Plan(hashes=(hash_query(number, nodes=2),)))
        self.verified.add(change.path)
        return Planned(change, whole=True)

    def commit(self, effect, luck):
        applied, again, failed = [], [], []
        for index, change in enumerate(effect.changes):
            path = change.path
            assert _same(self.staged.pop(path), change), "what is committed is not what is staged"
            assert path in self.verified, "committed before it was verified"
            self.close(change)
            fate = (luck + index) % 12
            if fate == 0:
                failed.append((change, "read-only"))
            elif fate == 1:
                again.append(change)
            else:
                self.tree[path] = change
                applied.append(Applied(change))
        return Committed(tuple(applied), tuple(again), tuple(failed))

    def close(self, change):
        self.verified.discard(change.path)
        self.fetchers[change.version].discard(change.path)

    def versions(self):
        return {change.version for change in self.tree.values() if change.kind is Kind.FILE}


def _same(one, other):
    return (one.kind, one.version) == (other.kind, other.version)


class BoardMachine(RuleBasedStateMachine):
    """One replica's pipeline between a hub and a disk that both do as they please."""

    def __init__(self):
        super().__init__()
        self.pipeline = Pipeline(MAX_BYTES)
        self.disk = Disk()
        self.hub = {}  # path -> the newest change
        self.told = 0  # up to which seq this connection was told
        self.saved = 0  # up to which seq the watermark was reached
        self.seq = 0
        self.now = 0.0
        self.running = []
        self.queries = []
        self.connected = False
        self.reconnect()

    # --- what happens ---

    @rule(
        path=st.sampled_from(PATHS),
        number=st.integers(0, 5),
        big=st.booleans(),
        at_once=st.booleans(),
    )
    def change(self, path, number, big, at_once):
        self.seq += 1
        if number == 0:
            self.hub[path] = absent(path, self.seq)
        elif number == 1:
            self.hub[path] = directory(path, self.seq)
        else:
            self.hub[path] = file(path, self.seq, number, size=BIG + 1 if big else LEAF)
        if at_once and self.connected:
            self.announce()

    @precondition(lambda self: self.connected)
    @rule()
    def announce(self):
        """Everything new, oldest first, closed by a position: as the hub's log tells it."""
        news = [each for each in self.hub.values() if each.seq > self.told]
        for each in sorted(news, key=lambda change: change.seq):
            self.pipeline.board.enter(each)
        self.told = self.seq
        self.pipeline.board.watermark.mark(position(self.seq))
        self.pump()

    @rule()
    def reconnect(self):
        if self.connected:
            self.pipeline.lost()
        self.queries.clear()
        self.connected = not self.connected
        if self.connected:
            self.pipeline.connected(MAX_QUERIES)
            self.told = self.saved
        self.pump()

    @precondition(lambda self: self.running)
    @rule(which=st.integers(0, 20), luck=luck)
    def run_effect(self, which, luck):
        effect = self.running.pop(which % len(self.running))
        self.pipeline.complete(effect, self.disk.run(effect, luck), self.now)
        self.pump()

    @precondition(lambda self: self.queries)
    @rule(which=st.integers(0, 20), luck=luck)
    def answer_query(self, which, luck):
        query = self.queries.pop(which % len(self.queries))
        for message in answers(query, luck):
            self.pipeline.answer(message, self.now)
            self.pump()

    @rule(seconds=st.sampled_from([0.1, 1.0, 60.0]))
    def wait(self, seconds):
        self.now += seconds
        self.pump()

    def pump(self):
        gets, effects = self.pipeline.take(self.now)
        assert self.connected or not gets
        self.queries += [query for get in gets for query in get.queries]
        self.running += effects
        reached = self.pipeline.board.watermark.reached()
        if reached is not None:
            assert reached.seq >= self.saved
            self.saved = reached.seq

    # --- what always holds ---

    @invariant()
    def one_effect_a_path(self):
        paths = [change.path for effect in self.running for change in changes_of(effect)]
        assert len(paths) == len(set(paths))

    @invariant()
    def one_commit_at_a_time(self):
        assert sum(isinstance(effect, Commit) for effect in self.running) <= 1

    @invariant()
    def every_path_is_worked_on_or_waits_for_something(self):
        """No effect is due and unseen: what has a transfer waits for an answer or a time."""
        stages = self.pipeline.board.stages
        at_work = {change.path for effect in self.running for change in changes_of(effect)}
        for stage in (Stage.PREPARING, Stage.COMMITTING, Stage.ABANDONING):
            assert stages.of(stage).keys() <= at_work
        if any(not job.asked for job in stages.of(Stage.READY).values()):
            assert stages.of(Stage.COMMITTING) or self.pipeline.board.gather.at > self.now
        leaders = {job.change.version for job in stages.of(Stage.FETCHING).values()}
        leaders |= {job.change.version for job in stages.of(Stage.READY).values()}
        leaders |= {job.change.version for job in stages.of(Stage.COMMITTING).values()}
        for job in stages.of(Stage.FOLLOWING).values():
            assert job.change.version in leaders

    @invariant()
    def bounds_hold(self):
        stages = self.pipeline.board.stages
        assert len(stages) - stages.count(*LOOSE) <= ACTIVE
        assert len(self.queries) <= MAX_QUERIES
        assert len(self.queries) == len(set(self.queries))
        assert sum(LEAF for query in self.queries if hasattr(query, "leaves")) <= MAX_BYTES

    @invariant()
    def the_watermark_passes_nothing_that_is_not_in_place(self):
        for path, newest in self.hub.items():
            if newest.seq <= self.saved:
                assert _same(self.disk.tree.get(path, absent(path)), newest)

    # --- and in the end ---

    def teardown(self):
        """Whatever happened: with a hub and a disk that work, everything comes to its end."""
        if not self.connected:
            self.reconnect()
        self.announce()
        for _ in range(2000):
            if self.queries:
                self.answer_query(0, 11)
            elif self.running:
                self.run_effect(0, 8)
            elif (at := self.pipeline.board.wake_at()) is not None:
                self.now = max(self.now, at)
                self.pump()
            else:
                break
        board = self.pipeline.board
        assert board.idle, [job for stage in Stage for job in board.stages.of(stage).values()]
        for path, newest in self.hub.items():
            if path not in board.problems:
                assert _same(self.disk.tree.get(path, absent(path)), newest)
        if not board.problems:
            assert self.saved == self.seq
            assert len(board.stages) == 0
        assert not self.disk.staged


def changes_of(effect):
    return effect.changes if isinstance(effect, Prepare | Commit) else (effect.change,)


def answers(query, luck):
    """What the hub says: at times in two parts, or that it cannot, or that leaves are gone."""
    if luck == 0:
        return [Failed(query, Code.UNKNOWN_VERSION)]
    if isinstance(query, PublishedQuery):
        return [Published(query, luck % 2 == 0)]
    if isinstance(query, HashQuery):
        return [hashlist(query)]
    if luck == 1:
        return [blocks(query, gone=runs.whole(1))]
    if luck == 2:
        return [blocks(query, 1, 2), blocks(query, 0, 2)]
    return [blocks(query)]


class TestBoard(BoardMachine.TestCase):
    settings = settings(max_examples=80, stateful_step_count=50)

    def runTest(self):
        usual, pipeline_module.MAX_ACTIVE = pipeline_module.MAX_ACTIVE, ACTIVE
        try:
            super().runTest()
        finally:
            pipeline_module.MAX_ACTIVE = usual


def test_a_sleeper_that_is_given_up_wakes_nobody():
    board = Board(Requests(MAX_BYTES))
    board.enter(file("a"))
    job = board.stages.get("a")
    board.fetch(job, Plan(blocks=(block_query(),)))
    job.transfer.refused(block_query(), Failed(block_query(), Code.BUSY), 0.0)
    board.sleep(job)
    assert board.wake_at() is not None
    board.abandon(job, then=Stage.PENDING)
    assert board.wake_at() is None
    board.wake(100.0)
    assert board.effects == [Abandon(Change(1, "a", Kind.FILE, size=LEAF, version=version(1)))]


def test_forgetting_what_waits_keeps_what_is_held():
    board = Board(Requests(MAX_BYTES))
    for path in "abc":
        board.enter(directory(path))
    board.refuse(board.stages.get("a"), "local edit")
    board.ready(board.stages.get("b"))
    board.forget_loose()
    assert board.stages.paths() == {"b"}
    assert board.problems == {}
