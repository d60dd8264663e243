import pytest

from protocol.errors import BadMessage, Code
from protocol.messages import Failed, Published, PublishedQuery
from pyzsync_daemon.client.board import BIG, LONGEST_RETRY, RETRY
from pyzsync_daemon.client.effects import (
    Abandon,
    Apply,
    Commit,
    Committed,
    Finish,
    Match,
    Plan,
    Planned,
    Prepare,
    Put,
    State,
)
from pyzsync_daemon.client.gather import PATIENCE
from pyzsync_daemon.client.pipeline import (
    ASK_DELTA,
    BATCH,
    HELD_BYTES,
    MAX_ACTIVE,
    Pipeline,
)
from pyzsync_daemon.client.transfer import FIRST_PAUSE, MAX_BAD_SETS, MAX_REFUSALS
from tests.pyzsync_daemon.client.values import (
    LEAF,
    absent,
    block_query,
    blocks,
    committed,
    delta,
    delta_query,
    directory,
    file,
    hash_query,
    hashlist,
    outcome,
    position,
    pull,
    ready,
    version,
)


class Player:
    """A pipeline, and what it has said and wanted."""

    def __init__(self, max_bytes=2**24, max_queries=256):
        self.pipeline = Pipeline(max_bytes)
        self.board = self.pipeline.board
        self.now = 0.0
        self.pipeline.connected(max_queries)
        self.gets, self.queries = [], []

    def announce(self, *changes):
        for change in changes:
            self.board.enter(change)
        return self.take()

    def take(self):
        gets, effects = self.pipeline.take(self.now)
        self.gets += gets
        self.queries += [query for get in gets for query in get.queries]
        return effects

    def complete(self, effect, result):
        self.pipeline.complete(effect, result, self.now)
        return self.take()

    def answer(self, message):
        self.pipeline.answer(message, self.now)
        return self.take()

    def only(self, effects, kind):
        (effect,) = effects
        assert type(effect) is kind, effect
        return effect

    def fetching(self, change, *queries, **fields):
        """A path whose transfer has asked for block sets."""
        queries = queries or (block_query(change.version[0]),)
        prepare = self.only(self.announce(change), Prepare)
        assert self.complete(prepare, pull(prepare, *queries, **fields)) == []


@pytest.fixture
def player():
    return Player()


# --- the way of a change, and what it costs ---


def test_one_changed_leaf_asks_for_one_block_set_with_one_leaf(player):
    change = file("a", size=1000 * LEAF)
    prepare = player.only(player.announce(change), Prepare)
    player.complete(prepare, pull(prepare, hashes=[hash_query(level=2, nodes=63)]))
    match = player.only(player.answer(hashlist(hash_query(level=2, nodes=63))), Match)
    player.complete(match, Planned(change, Plan(blocks=(block_query(),))))
    put = player.only(player.answer(blocks(block_query())), Put)
    finish = player.only(player.complete(put, Planned(change)), Finish)
    commit = player.only(player.complete(finish, Planned(change, whole=True)), Commit)
    assert player.complete(commit, committed(commit)) == []
    assert player.queries == [hash_query(level=2, nodes=63), block_query()]
    assert player.board.idle
    assert len(player.board.stages) == 0


def test_a_pushed_hashlist_saves_the_question(player):
    change = file("a")
    player.answer(hashlist(hash_query()))
    prepare = player.only(player.announce(change), Prepare)
    match = player.only(player.complete(prepare, pull(prepare, hashes=[hash_query()])), Match)
    assert match.hashlists == (hashlist(hash_query()),)
    assert player.gets == []


def test_what_was_not_pushed_is_asked(player):
    one, two = hash_query(window=0), hash_query(window=1)
    player.answer(hashlist(one))
    prepare = player.only(player.announce(file("a")), Prepare)
    assert player.complete(prepare, pull(prepare, hashes=[one, two])) == []
    assert player.queries == [two]
    player.only(player.answer(hashlist(two)), Match)


def test_an_answer_that_crosses_a_push_is_no_harm(player):
    player.fetching(file("a"), hashes=[hash_query()])
    match = player.only(player.answer(hashlist(hash_query())), Match)
    assert player.answer(hashlist(hash_query())) == []
    player.only(player.complete(match, Planned(file("a"))), Finish)


def test_small_files_share_prepares_gets_and_commits(player):
    changes = [file(str(n), n + 1, n % 200, follows=n.to_bytes(32, "big")) for n in range(200)]
    prepare = player.only(player.announce(*changes), Prepare)
    assert prepare.changes == tuple(changes)
    results = [pull(Prepare((each,)), block_query(each.version[0])) for each in changes]
    player.complete(prepare, type(results[0])(tuple(r.outcomes[0] for r in results)))
    assert [len(get.queries) for get in player.gets] == [200]


def test_what_becomes_ready_during_a_commit_shares_the_next(player):
    first = player.only(player.announce(directory("a")), Prepare)
    commit = player.only(player.complete(first, ready(first)), Commit)
    prepare = player.only(player.announce(directory("b")), Prepare)
    assert player.complete(prepare, ready(prepare)) == []
    prepare = player.only(player.announce(directory("c")), Prepare)
    assert player.complete(prepare, ready(prepare)) == []
    following = player.only(player.complete(commit, committed(commit)), Commit)
    assert [change.path for change in following.changes] == ["b", "c"]


def test_what_is_satisfied_needs_nothing_else(player):
    prepare = player.only(player.announce(file("a")), Prepare)
    assert player.complete(prepare, outcome(prepare, State.SATISFIED)) == []
    assert player.board.idle


def test_a_match_that_finds_all_is_verified_at_once(player):
    change = file("a")
    player.fetching(change, hashes=[hash_query()])
    match = player.only(player.answer(hashlist(hash_query())), Match)
    player.only(player.complete(match, Planned(change)), Finish)


def test_a_second_try_is_followed(player):
    change = file("a")
    player.fetching(change)
    put = player.only(player.answer(blocks(block_query())), Put)
    finish = player.only(player.complete(put, Planned(change)), Finish)
    wider = Plan(hashes=(hash_query(nodes=4),))
    assert player.complete(finish, Planned(change, wider)) == []
    player.only(player.answer(hashlist(hash_query(nodes=4))), Match)


# --- bounds ---


def test_prepares_are_bounded_and_one_runs_at_a_time(player):
    effects = player.announce(*(directory(str(n), n + 1) for n in range(BATCH + 1)))
    prepare = player.only(effects, Prepare)
    assert len(prepare.changes) == BATCH
    left = player.only(player.complete(prepare, outcome(prepare, State.SATISFIED)), Prepare)
    assert len(left.changes) == 1


def test_a_big_file_is_prepared_beside_the_small_ones(player):
    big = [file(f"big{n}", n + 1, n, size=BIG + 1) for n in range(2)]
    one, small = player.announce(*big, directory("a", 3), directory("b", 4))
    assert one.changes == (big[0],)
    assert [change.path for change in small.changes] == ["a", "b"]
    assert player.announce(directory("c", 5)) == []
    other = player.only(player.complete(one, outcome(one, State.SATISFIED)), Prepare)
    assert other.changes == (big[1],)


def test_what_is_held_of_big_files_is_bounded_by_their_size(player):
    size = HELD_BYTES // 2
    files = [file(str(n), n + 1, n, size=size) for n in range(3)]
    for each in files[:2]:
        prepare = player.only(player.announce(each), Prepare)
        assert player.complete(prepare, pull(prepare, block_query(prepare.changes[0].seq))) == []
    assert player.announce(files[2]) == []
    small = player.only(player.announce(directory("a", 9)), Prepare)
    commit = player.only(player.complete(small, ready(small)), Commit)
    assert player.complete(commit, committed(commit)) == []
    put = player.only(player.answer(blocks(block_query(1))), Put)
    finish = player.only(player.complete(put, Planned(put.change)), Finish)
    prepare, commit = player.complete(finish, Planned(finish.change, whole=True))
    assert commit.changes == (files[0],)
    assert prepare.changes == (files[2],)


def test_one_file_is_always_allowed_however_large(player):
    huge = [file(str(n), n + 1, n, size=3 * HELD_BYTES) for n in range(2)]
    prepare = player.only(player.announce(*huge), Prepare)
    assert player.complete(prepare, pull(prepare, block_query(1))) == []


def test_small_files_are_bounded_by_their_size_too(player):
    count = HELD_BYTES // BIG
    files = [file(str(n), n + 1, n, size=BIG) for n in range(count + 1)]
    prepare = player.only(player.announce(*files, directory("z", 999)), Prepare)
    assert len(prepare.changes) == min(count, BATCH)


def test_active_paths_are_bounded(player):
    changes = [file(str(n), n + 1, size=LEAF) for n in range(MAX_ACTIVE + BATCH)]
    changes = [
        type(each)(each.seq, each.path, each.kind, size=LEAF, version=each.seq.to_bytes(32, "big"))
        for each in changes
    ]
    effects = player.announce(*changes, file("big", 9999, size=BIG + 1))
    active = 0
    while effects:
        upcoming = []
        for prepare in effects:
            active += len(prepare.changes)
            assert active <= MAX_ACTIVE
            results = [pull(Prepare((each,)), block_query(7)) for each in prepare.changes]
            result = type(results[0])(tuple(r.outcomes[0] for r in results))
            upcoming += player.complete(prepare, result)
        effects = upcoming
    assert active == MAX_ACTIVE


def test_blocks_that_wait_for_the_disk_are_in_flight():
    player, (one, two) = Player(max_bytes=LEAF), (block_query(1, 0), block_query(1, 1))
    player.fetching(file("a"), one, two)
    put = player.only(player.answer(blocks(one)), Put)
    assert player.queries == [one]
    assert player.complete(put, Planned(put.change)) == []
    assert player.queries == [one, two]


def test_what_was_given_up_is_not_asked_for():
    player, (one, two) = Player(max_queries=1), (block_query(1, 0), block_query(1, 1))
    player.fetching(file("a"), one, two)
    player.only(player.announce(absent("a", 2)), Abandon)
    assert player.answer(blocks(one)) == []
    assert player.queries == [one]


def test_a_path_that_is_announced_again_keeps_its_place(player):
    first = player.only(player.announce(directory("x")), Prepare)
    player.announce(*(directory(str(n), n + 2) for n in range(BATCH)), directory("z", 999))
    player.announce(directory("0", 1000))
    prepare = player.only(player.complete(first, outcome(first, State.SATISFIED)), Prepare)
    assert prepare.changes[0] == directory("0", 1000)


# --- overtaking ---


def test_the_newest_change_wins_while_it_waits(player):
    player.announce(directory("x"))
    player.announce(file("a", 2, 1))
    player.announce(absent("a", 3))
    prepare = Prepare((directory("x"),))
    following = player.only(player.complete(prepare, outcome(prepare, State.SATISFIED)), Prepare)
    assert following.changes == (absent("a", 3),)


def test_the_newest_change_abandons_what_is_fetched(player):
    player.fetching(file("a", 1, 1))
    abandon = player.only(player.announce(file("a", 2, 2)), Abandon)
    assert abandon.change == file("a", 1, 1)
    assert player.announce(file("a", 3, 3)) == []
    prepare = player.only(player.complete(abandon, Planned(abandon.change)), Prepare)
    assert prepare.changes == (file("a", 3, 3),)


def test_what_is_under_way_is_waited_for(player):
    player.fetching(file("a", 1, 1))
    put = player.only(player.answer(blocks(block_query(1))), Put)
    assert player.announce(file("a", 2, 2)) == []
    player.only(player.complete(put, Planned(put.change)), Abandon)


def test_new_metadata_does_not_disturb_a_transfer(player):
    newer = file("a", 2, 1, mode=0o600)
    player.fetching(file("a", 1, 1))
    assert player.announce(newer) == []
    put = player.only(player.answer(blocks(block_query(1))), Put)
    finish = player.only(player.complete(put, Planned(put.change)), Finish)
    commit = player.only(player.complete(finish, Planned(newer, whole=True)), Commit)
    assert commit.changes == (newer,)


def test_new_metadata_while_it_is_compared_saves_what_was_staged(player):
    newer = file("a", 2, 1, mode=0o600)
    prepare = player.only(player.announce(file("a", 1, 1)), Prepare)
    assert player.announce(newer) == []
    commit = player.only(player.complete(prepare, ready(prepare)), Commit)
    assert commit.changes == (newer,)


def test_a_return_to_what_is_fetched_goes_on_with_it(player):
    player.fetching(file("a", 1, 1))
    put = player.only(player.answer(blocks(block_query(1))), Put)
    player.announce(file("a", 2, 2))
    player.announce(file("a", 3, 1))
    finish = player.only(player.complete(put, Planned(put.change)), Finish)
    assert finish.change == file("a", 3, 1)


def test_a_newer_change_waits_for_the_commit(player):
    prepare = player.only(player.announce(file("a", 1, 1)), Prepare)
    commit = player.only(player.complete(prepare, ready(prepare)), Commit)
    assert player.announce(file("a", 2, 2)) == []
    following = player.only(player.complete(commit, committed(commit)), Prepare)
    assert following.changes == (file("a", 2, 2),)


def test_the_same_seq_of_another_epoch_is_not_closed_by_the_old_change(player):
    prepare = player.only(player.announce(file("a", 7, 1)), Prepare)
    commit = player.only(player.complete(prepare, ready(prepare)), Commit)
    player.pipeline.lost()
    player.pipeline.connected(256)
    player.announce(file("a", 7, 2))
    player.board.watermark.mark(position(7))
    player.complete(commit, committed(commit))
    assert player.board.watermark.reached() is None


# --- one version, several paths ---


def test_one_version_is_fetched_once_and_then_copied(player):
    player.fetching(file("a", 1))
    prepare = player.only(player.announce(file("b", 2)), Prepare)
    abandon = player.only(player.complete(prepare, pull(prepare, block_query())), Abandon)
    assert player.complete(abandon, Planned(abandon.change)) == []
    put = player.only(player.answer(blocks(block_query())), Put)
    finish = player.only(player.complete(put, Planned(put.change)), Finish)
    commit = player.only(player.complete(finish, Planned(finish.change, whole=True)), Commit)
    again = player.only(player.complete(commit, committed(commit)), Prepare)
    assert again.changes == (file("b", 2),)
    assert player.queries == [block_query()]


def test_a_follower_goes_on_when_the_first_gives_up(player):
    player.fetching(file("a", 1))
    prepare = player.only(player.announce(file("b", 2)), Prepare)
    waiting = player.only(player.complete(prepare, pull(prepare, block_query())), Abandon)
    player.only(player.announce(absent("a", 3)), Abandon)  # before b has closed its staging
    again = player.only(player.complete(waiting, Planned(waiting.change)), Prepare)
    assert again.changes == (file("b", 2),)


def test_the_answer_to_who_gave_up_is_not_taken_for_the_next(player):
    player.fetching(file("a", 1))
    abandon = player.only(player.announce(absent("a", 2)), Abandon)
    prepare = player.only(player.announce(file("b", 3)), Prepare)
    assert player.complete(prepare, pull(prepare, block_query())) == []
    assert player.queries == [block_query()]
    assert player.answer(blocks(block_query())) == []
    assert player.queries == [block_query()] * 2
    put = player.only(player.answer(blocks(block_query())), Put)
    assert put.change.path == "b"
    player.only(player.complete(abandon, Planned(abandon.change)), Prepare)


# --- local content ---


def test_a_commit_waits_until_the_hub_has_said_whether_it_knows_the_local_content(player):
    prepare = player.only(player.announce(file("a")), Prepare)
    assert player.complete(prepare, ready(prepare, local=version(9))) == []
    query = PublishedQuery("a", version(9))
    assert player.queries == [query]
    commit = player.only(player.answer(Published(query, True)), Commit)
    assert commit.published == {("a", version(9))}


@pytest.mark.parametrize("failed", [True, False])
def test_what_the_hub_does_not_know_is_local(player, failed):
    prepare = player.only(player.announce(file("a")), Prepare)
    player.complete(prepare, ready(prepare, local=version(9)))
    query = PublishedQuery("a", version(9))
    message = Failed(query, Code.INTERNAL) if failed else Published(query, False)
    assert player.only(player.answer(message), Commit).published == frozenset()


def test_what_one_path_was_told_is_kept_for_its_own_commit(player):
    player.fetching(file("a", 1, 1), local=version(9))
    player.answer(Published(PublishedQuery("a", version(9)), True))
    prepare = player.only(player.announce(directory("b", 2)), Prepare)
    assert player.complete(prepare, ready(prepare)) == []
    player.now += PATIENCE
    commit = player.only(player.take(), Commit)
    assert commit.published == frozenset()
    player.complete(commit, committed(commit))
    put = player.only(player.answer(blocks(block_query(1))), Put)
    finish = player.only(player.complete(put, Planned(put.change)), Finish)
    commit = player.only(player.complete(finish, Planned(finish.change, whole=True)), Commit)
    assert commit.published == {("a", version(9))}


# --- many at once ---


def test_a_small_file_in_one_piece_takes_a_put_and_a_commit(player):
    player.fetching(file("a", 1))
    put = player.only(player.answer(blocks(block_query())), Put)
    commit = player.only(player.complete(put, Planned(put.change, whole=True)), Commit)
    assert commit.changes == (file("a", 1),)
    assert player.pipeline._requests.bytes == 0


def test_small_files_that_come_together_share_a_commit(player):
    for number in (1, 2):
        player.fetching(file(str(number), number, number))
    (first,) = player.answer(blocks(block_query(1)))
    assert player.complete(first, Planned(first.change, whole=True)) == []
    assert player.board.wake_at() == player.now + PATIENCE
    (second,) = player.answer(blocks(block_query(2)))
    commit = player.only(player.complete(second, Planned(second.change, whole=True)), Commit)
    assert len(commit.changes) == 2
    assert player.board.wake_at() is None


def test_a_small_file_waits_for_no_big_one(player):
    player.fetching(file("big", 1, 1, size=BIG + 1))
    prepare = player.only(player.announce(directory("a", 2)), Prepare)
    player.only(player.complete(prepare, ready(prepare)), Commit)


# --- failures ---


def test_what_the_disk_refuses_is_tried_again_later(player):
    prepare = player.only(player.announce(file("a")), Prepare)
    assert player.complete(prepare, outcome(prepare, State.FAILED, "disk full")) == []
    assert player.board.problems == {"a": "disk full"}
    assert player.board.idle
    assert player.board.wake_at() == RETRY
    player.now = RETRY
    prepare = player.only(player.take(), Prepare)
    assert player.board.problems == {"a": "disk full"}  # until it is known to be better
    player.complete(prepare, outcome(prepare, State.SATISFIED))
    assert player.board.problems == {}


def test_pauses_grow_for_what_fails_again_and_again(player):
    """Each try may copy a whole file."""
    (change,) = (file("a"),)
    player.announce(change)
    pauses = []
    for _ in range(9):
        player.complete(Prepare((change,)), outcome(Prepare((change,)), State.FAILED, "read-only"))
        pauses.append(player.board.wake_at() - player.now)
        player.now = player.board.wake_at()
        player.only(player.take(), Prepare)
    assert pauses[:3] == [RETRY, 2 * RETRY, 4 * RETRY]
    assert pauses[-2:] == [LONGEST_RETRY] * 2


def test_who_waits_longer_holds_up_nobody_and_a_newer_change_begins_anew(player):
    slow = file("slow", 1)
    player.announce(slow)
    for _ in range(3):
        player.complete(Prepare((slow,)), outcome(Prepare((slow,)), State.FAILED, "no"))
        player.now = player.board.wake_at()
        player.take()
    player.complete(Prepare((slow,)), outcome(Prepare((slow,)), State.FAILED, "no"))
    at = player.board.wake_at()
    prepare = player.only(player.announce(directory("quick", 2)), Prepare)
    player.complete(prepare, outcome(prepare, State.FAILED, "no"))
    assert player.board.wake_at() == player.now + RETRY < at
    newer = player.only(player.announce(file("slow", 3, 2)), Prepare)
    player.complete(newer, outcome(newer, State.FAILED, "no"))
    assert player.board.wake_at() == player.now + RETRY
    player.now += RETRY
    assert len(player.only(player.take(), Prepare).changes) == 2
    assert player.board.wake_at() is None


def test_deletions_carry_what_the_guard_has_to_know(player):
    player.fetching(file("first", 1, 1))
    prepare = player.only(player.announce(file("copy", 2, 1)), Prepare)
    abandon = player.only(player.complete(prepare, pull(prepare, block_query(1))), Abandon)
    player.complete(abandon, Planned(abandon.change))
    big = [file(name, 3, 3, size=BIG + 1) for name in ("big", "next")]
    gone = [absent(f"gone-{n}", n + 9) for n in range(BATCH + 1)]
    bulk, prepare = player.announce(*big, *gone)
    assert (bulk.changes, bulk.deletions) == ((big[0],), ())
    assert prepare.deletions == tuple(change.path for change in gone)
    assert prepare.waiting == ("next", "copy")
    rest = player.only(player.complete(prepare, outcome(prepare, State.SATISFIED)), Prepare)
    assert (rest.deletions, rest.waiting) == ((), ())


def test_what_is_refused_waits_for_a_newer_change(player):
    prepare = player.only(player.announce(file("a", 1)), Prepare)
    player.complete(prepare, outcome(prepare, State.REFUSED, "local edit"))
    assert player.board.problems == {"a": "local edit"}
    assert player.board.wake_at() is None
    prepare = player.only(player.announce(absent("a", 2)), Prepare)
    player.complete(prepare, outcome(prepare, State.SATISFIED))
    assert player.board.problems == {}


@pytest.mark.parametrize("state", [State.FAILED, State.REFUSED])
def test_a_newer_change_is_tried_at_once(player, state):
    prepare = player.only(player.announce(file("a", 1)), Prepare)
    player.announce(file("a", 2, 2))
    again = player.only(player.complete(prepare, outcome(prepare, state, "no")), Prepare)
    assert again.changes == (file("a", 2, 2),)


def test_a_commit_answers_for_each_of_its_changes(player):
    prepare = player.only(player.announce(*(directory(p, n) for n, p in enumerate("abc"))), Prepare)
    commit = player.only(player.complete(prepare, ready(prepare)), Commit)
    _a, b, c = commit.changes
    result = Committed(committed(commit).applied[:1], (b,), ((c, "read-only"),))
    again = player.only(player.complete(commit, result), Prepare)
    assert again.changes == (b,)
    assert player.board.problems == {"c": "read-only"}


def test_what_policy_refuses_at_the_last_moment_is_not_tried_again(player):
    prepare = player.only(player.announce(file("a")), Prepare)
    commit = player.only(player.complete(prepare, ready(prepare)), Commit)
    result = Committed((), refused=((commit.changes[0], "local content"),))
    assert player.complete(commit, result) == []
    assert player.board.problems == {"a": "local content"}
    assert player.board.wake_at() is None


def test_a_transfer_that_fails_is_closed_and_tried_again(player):
    change = file("a")
    player.fetching(change)
    put = player.only(player.answer(blocks(block_query())), Put)
    abandon = player.only(player.complete(put, Planned(change, error="disk full")), Abandon)
    assert player.complete(abandon, Planned(change)) == []
    assert player.board.problems == {"a": "disk full"}
    player.now = RETRY
    player.only(player.take(), Prepare)


def test_a_refused_query_is_asked_again_after_its_pause(player):
    player.fetching(file("a"))
    assert player.answer(Failed(block_query(), Code.BUSY)) == []
    assert player.board.wake_at() == FIRST_PAUSE
    assert player.take() == []
    player.now = FIRST_PAUSE
    assert player.take() == []
    assert player.queries == [block_query()] * 2
    assert player.board.wake_at() is None
    player.only(player.answer(blocks(block_query())), Put)


def test_a_hub_that_keeps_refusing_becomes_a_problem(player):
    change = file("a")
    player.fetching(change)
    effects = []
    for _ in range(MAX_REFUSALS):
        assert effects == []
        effects = player.answer(Failed(block_query(), Code.UNKNOWN_VERSION))
        player.now = player.board.wake_at() or player.now
        effects += player.take()
    abandon = player.only(effects, Abandon)
    player.complete(abandon, Planned(change))
    assert player.board.problems == {"a": "the hub cannot send it: unknown version"}


def test_a_hub_whose_blocks_never_verify_becomes_a_problem(player):
    change = file("a")
    player.fetching(change)
    again = Plan(blocks=(block_query(),))
    effects = []
    for _ in range(MAX_BAD_SETS):
        assert effects == []
        put = player.only(player.answer(blocks(block_query())), Put)
        effects = player.complete(put, Planned(change, again))
    player.only(effects, Abandon)
    assert player.board.problems == {"a": "the hub's blocks do not verify"}


def test_parts_that_do_not_belong_together_are_an_error_of_the_conversation(player):
    query = block_query(leaves=4)
    player.fetching(file("a", size=4 * LEAF), query)
    player.answer(blocks(query, 0, 2))
    with pytest.raises(BadMessage):
        player.answer(blocks(query, 0, 2))


# --- connections ---


def test_what_was_asked_is_asked_again_over_the_next_connection(player):
    query = block_query(leaves=4)
    player.fetching(file("a", size=4 * LEAF), query)
    player.answer(blocks(query, 0, 2))
    player.pipeline.lost()
    assert player.take() == []
    player.pipeline.connected(256)
    player.take()
    assert player.queries == [query] * 2
    assert player.answer(blocks(query, 1, 2)) == []
    player.only(player.answer(blocks(query, 0, 2)), Put)


# --- deltas ---


def fetching_delta(player, size=ASK_DELTA, pushed=()):
    """A file whose plan begins with a delta; the effects that follow."""
    (prepare,) = player.announce(file("a", size=size))
    for part in pushed:
        player.answer(part)
    plan = pull(prepare, hashes=[hash_query()], delta=delta_query())
    return player.complete(prepare, plan)


def test_a_delta_is_asked_for_first_and_applied(player):
    assert fetching_delta(player) == []
    assert player.queries == [delta_query()]
    (apply,) = player.answer(delta(delta_query()))
    assert apply == Apply(file("a", size=ASK_DELTA), (delta(delta_query()),))
    (finish,) = player.complete(apply, Planned(apply.change))
    (commit,) = player.complete(finish, Planned(finish.change, whole=True))
    assert isinstance(commit, Commit)
    assert player.pipeline._requests.bytes == 0


def test_a_pushed_delta_needs_no_question(player):
    parts = tuple(delta(delta_query(), part, 4) for part in range(4))
    (apply,) = fetching_delta(player, size=LEAF, pushed=parts)
    (second,) = player.complete(apply, Planned(apply.change))
    (finish,) = player.complete(second, Planned(second.change))
    assert (apply.parts, second.parts) == (parts[:1], parts[1:])  # what waits goes together
    assert isinstance(finish, Finish)
    assert (player.queries, player.pipeline._requests.bytes) == ([], 0)


def test_a_small_file_without_a_pushed_delta_is_pulled(player):
    fetching_delta(player, size=ASK_DELTA - 1)
    assert player.queries == [hash_query()]


def test_a_hub_without_a_delta_is_asked_for_hashes(player):
    fetching_delta(player)
    player.answer(Failed(delta_query(), Code.NO_DELTA))
    assert player.queries == [delta_query(), hash_query()]


def test_a_delta_of_no_use_is_given_up_and_its_rest_is_let_pass(player):
    fetching_delta(player)
    (apply,) = player.answer(delta(delta_query(), 0, 3))
    player.answer(delta(delta_query(), 1, 3))
    assert player.complete(apply, Planned(apply.change, Plan(hashes=(hash_query(),)))) == []
    player.answer(delta(delta_query(), 2, 3))
    (match,) = player.answer(hashlist(hash_query()))
    assert isinstance(match, Match)
    assert player.pipeline._requests.bytes == 0


def test_after_a_cut_the_rest_of_the_delta_is_asked_for(player):
    fetching_delta(player)
    (apply,) = player.answer(delta(delta_query(), 0, 2))
    player.pipeline.lost()
    player.complete(apply, Planned(apply.change))
    player.pipeline.connected(256)
    player.take()
    assert player.queries == [delta_query(), delta_query(first=1)]
    (last,) = player.answer(delta(delta_query(), 1, 2))
    (finish,) = player.complete(last, Planned(last.change))
    assert isinstance(finish, Finish)
