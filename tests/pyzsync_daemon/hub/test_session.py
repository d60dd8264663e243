import pytest

from protocol import runs
from protocol.errors import Code, ProtocolError, TooLarge, UnexpectedMessage
from protocol.messages import (
    Ack,
    Announce,
    BlockQuery,
    Blocks,
    Delta,
    DeltaQuery,
    Failed,
    Get,
    Goodbye,
    Hashlist,
    HashQuery,
    Hello,
    Position,
    Published,
    PublishedQuery,
    Welcome,
)
from pyzsync_daemon.hub.log import Live, Page, Snapshot
from pyzsync_daemon.hub.session import ACCEPTS, Follow, HubFacts, HubSession, Phase, Start

HUB = 32 * b"h"
VERSION = 32 * b"v"
POSITION = Position(16 * b"e", 7, 32 * b"p")
BLOCK = BlockQuery(VERSION, 0, runs.whole(1))
HASHES = HashQuery(VERSION, 0, 0, runs.whole(1))
MESSAGES = {
    "Hello": Hello((1,), (), "client"),
    "Welcome": Welcome(1, (), "hub", HUB, b"", True, 4),
    "Announce": Announce(()),
    "Get": Get((BLOCK,)),
    "Hashlist": Hashlist(HASHES, 5, bytes(4), bytes(5)),
    "Blocks": Blocks(BLOCK, 0, 1, 0, 512, b"", bytes(512)),
    "Delta": Delta(DeltaQuery(VERSION, HUB), 0, 1, 0, 1, b"x"),
    "Published": Published(PublishedQuery("a", VERSION), True),
    "Failed": Failed(BLOCK, Code.BUSY),
    "Ack": Ack(1),
    "Goodbye": Goodbye(Code.NORMAL),
}


def in_phase(phase, requests=4):
    session = HubSession(HubFacts("hub", HUB, b"view", requests))
    if phase is not Phase.GREETING:
        session.receive(Hello((1,), (), "client", HUB, POSITION))
    if phase is Phase.FOLLOWING:
        assert session.take_effects() == [Start(POSITION)]
        session.started(Live(7, closed=False), True)
    if phase is Phase.CLOSED:
        session.close(Goodbye(Code.DRAINING))
    assert session.phase is phase
    return session


@pytest.fixture
def following():
    """A client that was welcomed and has the whole log."""
    session = in_phase(Phase.FOLLOWING)
    session.take_effects()
    session.followed(Page((), Live(7, closed=True), more=False))
    session.take_messages()
    return session


# --- the table of states ---


@pytest.mark.parametrize("phase", Phase)
@pytest.mark.parametrize("name", MESSAGES)
def test_every_message_in_every_phase(phase, name):
    session, message = in_phase(phase), MESSAGES[name]
    if isinstance(message, ACCEPTS[phase]):
        session.receive(message)
        return
    with pytest.raises(UnexpectedMessage) as caught:
        session.receive(message)
    assert caught.value.detail == f"{name} is not expected while {phase.value}"


def test_the_table_is_the_one_of_the_specification():
    names = {phase: {kind.__name__ for kind in ACCEPTS[phase]} for phase in Phase}
    assert names == {
        Phase.GREETING: {"Hello", "Goodbye"},
        Phase.STARTING: {"Goodbye"},
        Phase.FOLLOWING: {"Get", "Ack", "Goodbye"},
        Phase.CLOSED: set(),
    }


# --- greeting ---


def test_a_client_is_welcomed_once_it_has_a_place_in_the_log():
    session = in_phase(Phase.STARTING)
    assert session.agent == "client"
    assert session.take_messages() == []
    assert session.take_effects() == [Start(POSITION)]
    session.started(Snapshot("", POSITION), False)
    assert session.take_messages() == [Welcome(1, (), "hub", HUB, b"view", False, 4)]
    assert session.take_effects() == [Follow(Snapshot("", POSITION))]


def test_a_client_that_has_pinned_no_hub_is_welcome():
    session = in_phase(Phase.GREETING)
    session.receive(Hello((3, 1), (), "client"))
    assert session.take_effects() == [Start(None)]


def test_a_client_of_another_protocol_is_refused():
    with pytest.raises(ProtocolError) as caught:
        in_phase(Phase.GREETING).receive(Hello((2, 3), (), "client"))
    assert caught.value.code is Code.UNSUPPORTED_PROTOCOL
    assert caught.value.detail == "this hub speaks protocol 1, the client [2, 3]"


def test_a_client_of_another_hub_is_refused():
    with pytest.raises(ProtocolError) as caught:
        in_phase(Phase.GREETING).receive(Hello((1,), (), "client", 32 * b"x"))
    assert caught.value.code is Code.WRONG_HUB
    assert caught.value.detail == (
        "this is hub 6868686868686868, the client follows 7878787878787878"
    )


# --- news ---


def test_pages_are_taken_one_by_one():
    session = in_phase(Phase.FOLLOWING)
    session.take_messages()
    assert session.take_effects() == [Follow(Live(7, closed=False))]
    assert session.take_effects() == []
    session.published()
    assert not session.has_news  # a page is on its way already
    session.followed(Page((b"one", b"two"), Live(8, closed=False), more=True))
    assert session.has_news
    assert session.take_messages() == [b"one", b"two"]
    assert session.take_effects() == [Follow(Live(8, closed=False))]


def test_a_client_that_has_all_waits_for_the_log_to_grow(following):
    assert not following.has_news
    assert following.take_effects() == []
    following.published()
    assert following.has_news
    assert following.take_effects() == [Follow(Live(7, closed=True))]


def test_what_was_published_while_a_page_was_made_is_asked_for_after_it(following):
    following.published()
    following.take_effects()
    following.published()
    following.followed(Page((b"x",), Live(8, closed=True), more=False))
    assert following.take_effects() == [Follow(Live(8, closed=True))]


def test_news_of_a_hub_that_says_goodbye_is_not_sent(following):
    following.published()
    following.take_effects()
    following.close(Goodbye(Code.DRAINING))
    following.followed(Page((b"x",), Live(8, closed=True), more=True))
    assert following.take_messages() == [Goodbye(Code.DRAINING)]
    assert following.take_effects() == []


def test_a_place_in_the_log_that_comes_after_the_goodbye_is_not_used():
    session = in_phase(Phase.STARTING)
    session.close(Goodbye(Code.DRAINING))
    session.started(Live(1, closed=True), True)
    assert session.phase is Phase.CLOSED
    assert session.take_messages() == [Goodbye(Code.DRAINING)]


# --- queries ---


def test_queries_are_taken_oldest_first_up_to_a_weight(following):
    queries = tuple(BlockQuery(VERSION, window, runs.whole(4)) for window in range(4))
    following.receive(Get(queries[:3]))
    following.receive(Get(queries[3:]))
    assert following.waiting == 4
    assert following.take_queries(2 * 4 * 512) == list(queries[:2])
    assert following.take_queries(1) == [queries[2]]
    assert following.take_queries(10**6) == [queries[3]]
    assert following.take_queries(10**6) == []


def test_hashlists_have_their_weight_too(following):
    queries = tuple(HashQuery(VERSION, 0, window, runs.whole(4096)) for window in range(4))
    following.receive(Get(queries))
    assert following.take_queries(100_000) == list(queries[:2])


def test_as_many_queries_as_allowed_may_wait_and_cross_as_many_pushes(following):
    queries = tuple(BlockQuery(VERSION, window, runs.whole(1)) for window in range(9))
    following.receive(Get(queries[:8]))
    with pytest.raises(TooLarge) as caught:
        following.receive(Get(queries[8:]))
    assert caught.value.detail == "number of waiting queries of 9 is over the limit of 8"


def test_queries_that_are_being_answered_do_not_count(following):
    """The client may see an answer, and ask anew, before the last one of a batch was sent."""
    queries = tuple(BlockQuery(VERSION, window, runs.whole(1)) for window in range(8))
    following.receive(Get(queries))
    following.take_queries(10**6)
    following.receive(Get(queries))
    assert following.waiting == 8


def test_the_acknowledged_mark_only_rises(following):
    for seq in (5, 9, 7):
        following.receive(Ack(seq))
    assert following.acknowledged == 9


# --- goodbye ---


def test_a_goodbye_is_said_once_and_ends_all(following):
    following.receive(Get((BLOCK,)))
    following.published()
    following.close(Goodbye(Code.DRAINING))
    following.close(Goodbye(Code.NORMAL))
    assert following.take_messages() == [Goodbye(Code.DRAINING)]
    assert following.goodbye == Goodbye(Code.DRAINING)
    assert (following.take_queries(10**6), following.take_effects()) == ([], [])
    assert not following.has_news


def test_a_clients_goodbye_is_not_answered(following):
    following.receive(Get((BLOCK,)))
    following.published()
    following.receive(Goodbye(Code.NORMAL, "done"))
    assert following.goodbye == Goodbye(Code.NORMAL, "done")
    assert (following.take_messages(), following.take_effects()) == ([], [])
    assert following.take_queries(10**6) == []
