import pytest

from protocol.errors import Code, ProtocolError, UnexpectedMessage
from protocol.messages import (
    Ack,
    Announce,
    Delta,
    DeltaQuery,
    Failed,
    Get,
    Goodbye,
    Hello,
    Published,
    PublishedQuery,
)
from pyzsync_daemon.client.effects import (
    Abandon,
    Audit,
    Audited,
    Commit,
    Finish,
    Planned,
    Prepare,
    Prune,
    Pruned,
    Save,
    Saved,
    State,
)
from pyzsync_daemon.client.ledger import ACK_S
from pyzsync_daemon.client.session import ACCEPTS, ClientSession, Phase
from tests.pyzsync_daemon.client.values import (
    HUB,
    absent,
    block_query,
    blocks,
    committed,
    directory,
    file,
    hash_query,
    hashlist,
    outcome,
    position,
    pull,
    ready,
    version,
    welcome,
)

DELTA = DeltaQuery(version(1), version(2))
MESSAGES = {
    "Hello": Hello((1,), (), "client"),
    "Welcome": welcome(),
    "Announce": Announce(()),
    "Get": Get((block_query(),)),
    "Hashlist": hashlist(hash_query()),
    "Blocks": blocks(block_query()),
    "Delta": Delta(DELTA, 0, 1, 0, 1, b"x"),
    "Published": Published(PublishedQuery("a", version(1)), True),
    "Failed": Failed(block_query(), Code.BUSY),
    "Ack": Ack(1),
    "Goodbye": Goodbye(Code.NORMAL),
}


class Player:
    """A session, a hub by hand, and a disk on which everything works unless a test says else."""

    def __init__(self, hub=HUB, at=None, **bounds):
        self.session = ClientSession("agent", hub, at, 2**24, **bounds)
        self.now = 0.0
        self.sent, self.effects, self.saved = [], [], []

    def connect(self, **fields):
        self.session.connected()
        self.receive(welcome(**fields))
        return self

    def receive(self, *messages):
        for message in messages:
            self.session.receive(message, self.now)
            self.take()

    def take(self):
        messages, effects = self.session.take(self.now)
        self.sent += messages
        self.effects += effects

    def due(self, kind):
        """The oldest effect of a kind, which must be there."""
        effect = next(each for each in self.effects if type(each) is kind)
        self.effects.remove(effect)
        return effect

    def complete(self, effect, result):
        self.session.complete(effect, result, self.now)
        self.take()

    def run(self):
        """Run everything that is due: files and directories are ready, others are satisfied."""
        while self.effects:
            effect = self.effects.pop(0)
            match effect:
                case Prepare():
                    result = ready(effect)
                case Commit():
                    result = committed(effect)
                case Save():
                    result = Saved(effect.position)
                    self.saved += [effect.position.seq] if effect.position else []
                case Prune():
                    result = Pruned(())
                case Audit():
                    result = Audited(())
                case Finish():
                    result = Planned(effect.change, whole=True)
                case _:
                    result = Planned(effect.change)
            self.complete(effect, result)

    def acks(self):
        """What the hub has been told, when it has had its time to be."""
        self.now += ACK_S
        self.take()
        return [message.seq for message in self.sent if isinstance(message, Ack)]


def ahead_of_the_hub():
    """At position 3, with what it was told at 5, of a hub that resumes there."""
    return Player(at=position(3), ahead={"a": 5}).connect()


# --- the table of states ---


def in_phase(phase):
    player = Player()
    if phase is not Phase.OFFLINE:
        player.session.connected()
    if phase is Phase.SYNCING:
        player.receive(welcome())
    if phase is Phase.PARTING:
        player = ahead_of_the_hub()
        player.receive(Announce((), position(4)))
    assert player.session.phase is phase
    return player


@pytest.mark.parametrize("phase", Phase)
@pytest.mark.parametrize("name", MESSAGES)
def test_every_message_in_every_phase(phase, name):
    player, message = in_phase(phase), MESSAGES[name]
    if isinstance(message, ACCEPTS[phase]):
        player.receive(message)
        return
    with pytest.raises(UnexpectedMessage) as caught:
        player.receive(message)
    assert caught.value.detail == f"{name} is not expected while {phase.value}"


def test_the_table_is_the_one_of_the_specification():
    assert {kind.__name__ for kind in ACCEPTS[Phase.SYNCING]} == set(MESSAGES) - {
        "Hello",
        "Welcome",
        "Get",
        "Ack",
    }
    assert {kind.__name__ for kind in ACCEPTS[Phase.GREETING]} == {"Welcome", "Goodbye"}
    assert ACCEPTS[Phase.OFFLINE] == ()


# --- greeting ---


def test_the_hello_says_who_and_where():
    player = Player(at=position(7))
    player.session.connected()
    player.take()
    assert player.sent == [Hello((1,), (), "agent", HUB, position(7))]


def test_the_first_hub_is_pinned():
    player = Player(hub=b"").connect()
    assert player.effects == [Save(HUB, None)]
    player.run()
    assert player.acks() == []
    assert player.session.position is None


def test_another_hub_is_refused():
    player = Player()
    player.session.connected()
    with pytest.raises(ProtocolError) as caught:
        player.receive(welcome(hub=32 * b"x"))
    assert caught.value.code is Code.WRONG_HUB


def test_another_protocol_is_refused_and_its_hub_not_pinned():
    player = Player(hub=b"")
    player.session.connected()
    with pytest.raises(ProtocolError) as caught:
        player.receive(welcome(protocol=2))
    assert caught.value.code is Code.UNSUPPORTED_PROTOCOL
    assert caught.value.detail == "this client speaks protocol 1, the hub 2"
    player.take()
    assert player.effects == []


def test_a_position_is_not_saved_while_the_pin_is():
    """The two could be done in either order by two threads."""
    player = Player(hub=b"").connect()
    player.receive(Announce((), position(0)))
    save = player.due(Save)
    assert player.effects == []
    player.complete(save, Saved(None))
    assert player.effects == [Save(HUB, position(0))]


def test_a_goodbye_is_kept_until_the_next_connection():
    player = Player().connect()
    player.receive(Goodbye(Code.DRAINING, "the hub stops", 500))
    assert player.session.goodbye == Goodbye(Code.DRAINING, "the hub stops", 500)
    player.session.lost()
    assert player.session.goodbye is not None
    player.session.connected()
    assert player.session.goodbye is None


@pytest.mark.parametrize(("hub", "own", "asked"), [(2, 5, 2), (5, 2, 2)])
def test_the_smaller_of_both_bounds_holds(hub, own, asked):
    player = Player(max_requests=own).connect(requests=hub)
    player.receive(Announce((file("a"),)))
    prepare = player.due(Prepare)
    player.complete(prepare, pull(prepare, *(block_query(1, window) for window in range(9))))
    (get,) = (message for message in player.sent if isinstance(message, Get))
    assert len(get.queries) == asked


# --- news ---


def test_a_change_is_applied_saved_and_acknowledged():
    player = Player(at=position(6)).connect()
    player.receive(Announce((directory("a", 7),), position(7)))
    assert not player.session.settled
    prepare = player.due(Prepare)
    player.complete(prepare, ready(prepare))
    commit = player.due(Commit)
    player.complete(commit, committed(commit))
    save = player.due(Save)
    assert (player.session.position, player.acks()) == (position(6), [])
    player.complete(save, Saved(save.position))
    assert (player.session.position, player.acks()) == (position(7), [7])
    assert player.session.settled


def test_one_save_runs_at_a_time_and_takes_the_newest_position():
    player = Player().connect()
    player.receive(*(Announce((directory("a", seq),), position(seq)) for seq in range(1, 20)))
    player.run()
    assert player.saved == [1, 18, 19]  # superseded while saving 1; superseded; applied
    assert player.acks() == [19]


def test_nothing_is_saved_twice():
    player = Player(at=position(3)).connect()
    player.receive(Announce((), position(3)))
    assert player.effects == []
    assert player.session.settled


def test_not_settled_before_the_hub_has_told_its_position():
    player = Player().connect()
    assert not player.session.settled
    player.receive(Announce((), position(0)))
    player.run()
    assert player.session.settled
    player.session.lost()
    assert not player.session.settled


def test_a_refused_change_holds_the_position_back_and_is_a_problem():
    player = Player().connect()
    player.receive(Announce((file("a", 1),), position(1)))
    player.complete(player.due(Prepare), outcome(Prepare((file("a", 1),)), State.REFUSED, "no"))
    assert player.session.settled
    assert player.session.problems == {"a": "no"}
    assert player.session.position is None


def test_when_to_wake_is_the_boards_word():
    player = Player().connect()
    assert player.session.wake_at() is None
    player.receive(Announce((file("a", 1),), position(1)))
    player.complete(player.due(Prepare), outcome(Prepare((file("a", 1),)), State.FAILED, "no"))
    assert player.session.wake_at() == 5.0


def test_an_unasked_answer_changes_nothing():
    player = Player().connect()
    player.receive(blocks(block_query()), MESSAGES["Published"], MESSAGES["Delta"])
    assert player.effects == []


# --- deletions ---


def test_deletions_wait_until_all_is_told_and_are_judged_together():
    player = Player(at=position(3)).connect()
    player.receive(Announce((absent("a", 4), directory("b", 5))))
    player.complete(player.due(Prepare), ready(Prepare((directory("b", 5),))))
    player.run()
    assert not player.session.settled
    player.receive(Announce((absent("c", 6),), position(6)))
    prepare = player.due(Prepare)
    assert prepare == Prepare((absent("a", 4), absent("c", 6)), ("a", "c"), (), connection=1)
    player.complete(prepare, outcome(prepare, State.SATISFIED))
    player.run()
    assert player.acks() == [6]
    assert player.session.settled


def test_what_came_back_before_all_was_told_is_not_deleted():
    player = Player(at=position(3)).connect()
    player.receive(Announce((absent("a", 4),)), Announce((directory("a", 5),), position(5)))
    prepare = player.due(Prepare)
    assert (prepare.changes, prepare.deletions) == ((directory("a", 5),), ())


def test_deletions_that_a_cut_interrupts_are_told_again():
    player = Player(at=position(3)).connect()
    player.receive(Announce((absent("a", 4),)))
    player.session.lost()
    player.connect()
    player.receive(Announce((), position(3)))
    assert player.effects == []
    assert player.session.settled


# --- cuts ---


def test_work_goes_on_without_a_connection_and_is_saved():
    player = Player().connect()
    player.receive(Announce((directory("a", 1),), position(1)))
    player.session.lost()
    player.run()
    assert player.session.position == position(1)
    assert player.acks() == []


def test_nothing_is_said_while_there_is_no_connection():
    player = Player().connect()
    player.receive(Announce((file("a", 1),), position(1)))
    player.session.lost()
    player.sent.clear()
    prepare = player.due(Prepare)
    player.complete(prepare, pull(prepare, block_query()))
    assert player.sent == []
    player.connect()
    assert [type(message) for message in player.sent] == [Hello, Get]


def test_what_was_announced_again_merges_with_what_is_under_way():
    player = Player().connect()
    player.receive(Announce((file("a", 1),), position(1)))
    prepare = player.due(Prepare)
    player.complete(prepare, pull(prepare, block_query()))
    player.session.lost()
    player.connect()
    player.receive(Announce((file("a", 1),), position(1)))
    assert player.effects == []
    player.receive(blocks(block_query()))
    player.run()
    assert player.session.position == position(1)


# --- snapshots ---


def snapshot(*changes, at=None):
    return Announce(changes, at, snapshot=True)


def test_what_a_snapshot_does_not_name_is_deleted():
    player = Player(at=position(3)).connect(resumed=False)
    player.receive(snapshot(directory("a", 1)), snapshot(directory("b", 2), at=position(9)))
    prune = player.due(Prune)
    assert prune.paths == {"a", "b"}
    player.run()
    assert not player.session.settled
    assert player.acks() == []
    player.complete(prune, Pruned((absent("old", 0),)))
    prepare = player.due(Prepare)
    assert prepare.changes == (absent("old", 9),)
    player.complete(prepare, outcome(prepare, State.SATISFIED))
    player.run()
    assert player.acks() == [9]
    assert player.session.settled


def test_what_is_announced_during_the_prune_is_not_deleted():
    player = Player().connect(resumed=False)
    player.receive(snapshot(at=position(1)))
    prune = player.due(Prune)
    player.receive(Announce((directory("new", 2),), position(2)))
    player.complete(prune, Pruned((absent("new", 0),)))
    assert player.due(Save).position == position(1)
    (prepare,) = player.effects
    assert prepare.changes == (directory("new", 2),)


def test_what_an_earlier_connection_began_and_the_snapshot_does_not_name_has_gone():
    """The hub may never serve it again: it must not be waited for."""
    player = Player().connect()
    player.receive(Announce((file("a", 5), file("b", 6, 2))))
    prepare = player.due(Prepare)
    results = [pull(Prepare((each,)), block_query(each.version[0])) for each in prepare.changes]
    player.complete(prepare, type(results[0])(tuple(r.outcomes[0] for r in results)))
    player.session.lost()
    player.connect(resumed=False)
    player.receive(snapshot(file("b", 1, 2), at=position(1)))
    abandon = player.due(Abandon)
    assert abandon.change.path == "a"
    player.complete(abandon, Planned(abandon.change))
    prepare = player.due(Prepare)
    assert prepare.changes == (absent("a", 1),)
    player.complete(prepare, outcome(prepare, State.SATISFIED))
    player.receive(blocks(block_query(2)))
    player.run()
    assert player.session.settled
    assert player.acks() == [1]


def test_what_only_waited_is_forgotten_when_a_snapshot_comes():
    player = Player().connect()
    player.receive(Announce((directory("x", 1),)))
    player.receive(Announce((directory("a", 2),)))  # waits for the Prepare that runs
    player.session.lost()
    player.connect(resumed=False)
    player.receive(snapshot(directory("x", 1), at=position(1)))
    player.run()
    assert "a" not in player.session.problems
    assert player.session.settled


def test_a_prune_of_an_earlier_connection_decides_nothing():
    player = Player().connect(resumed=False)
    player.receive(snapshot(directory("a", 1), at=position(1)))
    old = player.due(Prune)
    player.run()
    player.session.lost()
    player.connect(resumed=False)
    player.complete(old, Pruned((absent("b", 0),)))
    player.receive(snapshot(directory("b", 2), at=position(2)))
    new = player.due(Prune)
    player.complete(old, Pruned((absent("c", 0),)))
    player.run()
    assert player.acks() == []
    player.complete(new, Pruned((absent("a", 0),)))
    assert [effect.changes for effect in player.effects] == [(absent("a", 2),)]
    player.run()
    assert player.acks() == [2]


def test_deletions_that_the_guard_holds_back_hold_the_position_back():
    player = Player(at=position(3)).connect(resumed=False)
    player.receive(snapshot(directory("a", 1), at=position(9)))
    player.complete(player.due(Prune), Pruned((), "all 300 entries are gone"))
    player.run()
    assert player.session.settled
    assert player.session.problems == {".": "all 300 entries are gone"}
    player.receive(Announce((directory("b", 10),), position(10)))
    player.run()
    assert player.session.position is None  # that of a log which the hub does not have
    player.session.lost()
    player.connect(resumed=False)
    player.receive(snapshot(directory("a", 1), directory("b", 10), at=position(10)))
    player.run()
    assert player.session.problems == {}
    assert player.session.position == position(10)


# --- a hub whose log was restored from a copy ---


def test_what_is_beyond_the_position_has_to_be_named_before_one_comes():
    player = ahead_of_the_hub()
    player.receive(Announce((directory("a", 4),), None), Announce((), position(4)))
    player.run()
    assert player.session.phase is Phase.SYNCING
    assert player.session.position == position(4)


def test_a_log_that_lacks_what_is_here_is_parted_from_for_a_snapshot():
    player = ahead_of_the_hub()
    player.receive(Announce((directory("b", 4),), position(4)))
    assert player.session.phase is Phase.PARTING
    assert player.sent[-1] == Goodbye(
        Code.NORMAL, "1 paths of this replica are not in the hub's log"
    )
    player.receive(Announce((directory("c", 5),), position(5)))  # it was on its way
    player.run()
    assert player.session.position is None  # and so on the disk
    player.session.lost()
    player.session.connected()
    player.take()
    assert player.sent[-1].position is None
    player.receive(welcome(resumed=False), snapshot(directory("b", 4), at=position(4)))
    player.complete(player.due(Prune), Pruned((absent("a", 0),)))
    player.run()
    assert player.session.position == position(4)


def test_what_is_under_way_counts_as_well_as_what_is_applied():
    player = Player(at=position(3)).connect()
    player.receive(Announce((directory("a", 5),), None))
    player.session.lost()
    player.connect()
    player.receive(Announce((), position(4)))
    assert player.session.phase is Phase.PARTING


def test_what_was_applied_in_this_life_counts_too():
    player = Player(at=position(3)).connect()
    player.receive(Announce((directory("a", 5),), None))
    player.run()
    player.session.lost()
    player.connect()
    player.receive(Announce((), position(4)))
    assert player.session.phase is Phase.PARTING


def test_what_was_applied_before_the_first_position_was_saved_counts_too():
    player = Player().connect(resumed=False)
    player.receive(snapshot(directory("a", 4), at=position(4)))
    player.receive(Announce((directory("b", 6),), None))
    prune = player.due(Prune)
    player.run()  # both are applied, and no position can be saved yet
    player.complete(prune, Pruned(()))
    player.run()
    assert player.session.position == position(4)
    player.session.lost()
    player.connect()
    player.receive(Announce((), position(5)))
    assert player.session.phase is Phase.PARTING


def test_a_position_that_is_saved_after_the_greeting_excuses_nothing():
    player = Player(at=position(3)).connect()
    player.receive(Announce((directory("a", 5),), position(5)))
    while not any(isinstance(each, Save) for each in player.effects):
        effect = player.effects.pop(0)
        player.complete(effect, {Prepare: ready, Commit: committed}[type(effect)](effect))
    player.session.lost()
    player.session.connected()  # at 3
    player.run()
    player.receive(welcome(), Announce((), position(4)))
    assert player.session.phase is Phase.PARTING


def test_what_a_saved_position_covers_need_not_be_named():
    player = Player(at=position(3)).connect()
    player.receive(Announce((directory("a", 5),), position(5)))
    player.run()
    player.session.lost()
    player.connect()
    player.receive(Announce((), position(5)))
    player.run()
    assert player.session.phase is Phase.SYNCING


def test_news_may_not_interrupt_a_snapshot():
    player = Player().connect(resumed=False)
    with pytest.raises(UnexpectedMessage) as caught:
        player.receive(Announce((), position(1)))
    assert caught.value.detail == "Announce of news is not expected while a snapshot is being told"


@pytest.mark.parametrize("resumed", [True, False])
def test_a_snapshot_comes_once_and_only_when_it_was_promised(resumed):
    player = Player().connect(resumed=resumed)
    if not resumed:
        player.receive(snapshot(at=position(1)))
    with pytest.raises(UnexpectedMessage) as caught:
        player.receive(snapshot())
    assert caught.value.detail == (
        "Announce of a snapshot is not expected while no snapshot is being told"
    )


# --- audits ---


def test_an_audit_restores_what_the_disk_no_longer_shows():
    player = Player(at=position(5)).connect()
    player.receive(Announce((), position(5)))
    player.session.audit()
    player.session.audit()  # one at a time
    player.take()
    assert player.effects == [Audit()]
    assert not player.session.settled
    player.complete(player.due(Audit), Audited((file("a", 2),)))
    assert player.due(Prepare).changes == (file("a", 2),)


def test_an_audit_may_not_speak_of_what_moved_on_meanwhile():
    player = Player().connect()
    player.receive(Announce((directory("before", 1),), position(1)))
    player.session.audit()
    player.take()
    audit = player.due(Audit)
    player.receive(Announce((directory("during", 2),), position(2)))
    player.run()
    player.complete(audit, Audited((absent("before", 0), absent("during", 0))))
    assert player.effects == []


def test_an_audit_does_not_bring_back_what_a_snapshot_deleted():
    player = Player().connect(resumed=False)
    player.session.audit()
    player.receive(snapshot(at=position(1)))
    audit = player.due(Audit)
    player.complete(player.due(Prune), Pruned((absent("gone", 0),)))
    player.run()
    player.complete(audit, Audited((file("gone", 1),)))
    assert player.effects == []
    assert player.session.settled


def test_an_audit_that_cannot_look_is_a_problem_until_one_can():
    player = Player(at=position(5)).connect()
    player.receive(Announce((), position(5)))
    for error in ("closed", ""):
        player.session.audit()
        player.take()
        player.complete(player.due(Audit), Audited((), error=error))
        assert player.session.settled
        assert player.session.problems == ({".": error} if error else {})


def test_an_audit_holds_the_position_back_until_its_work_is_done():
    player = Player().connect()
    player.session.audit()
    player.take()
    player.complete(player.due(Audit), Audited((file("a", 2),)))
    player.receive(Announce((), position(9)))
    assert player.acks() == []
    player.run()
    assert player.acks() == [9]
