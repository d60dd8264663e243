import pytest

from protocol.errors import Code, ProtocolError
from protocol.messages import Ack
from pyzsync_daemon.client.effects import Commit, Prepare, Save, Saved
from pyzsync_daemon.client.ledger import ACK_S, Ledger
from tests.pyzsync_daemon.client.values import HUB, committed, directory, position, ready


def test_the_first_hub_is_pinned():
    ledger = Ledger(b"", None)
    assert ledger.save(None) is None
    ledger.meet(HUB)
    assert ledger.save(None) == Save(HUB, None)
    assert ledger.saving
    ledger.saved(Saved(None), 0.0)
    assert not ledger.saving
    assert ledger.save(None) is None


def test_the_pinned_hub_is_known():
    ledger = Ledger(HUB, position(3))
    ledger.meet(HUB)
    assert ledger.save(None) is None


def test_another_hub_is_refused():
    with pytest.raises(ProtocolError) as caught:
        Ledger(HUB, None).meet(32 * b"x")
    assert caught.value.code is Code.WRONG_HUB
    assert caught.value.detail == (
        "this replica follows hub 6868686868686868, and hub 7878787878787878 answered"
    )


def test_only_a_new_position_is_saved():
    ledger = Ledger(HUB, position(3))
    assert ledger.save(position(3)) is None
    assert ledger.save(position(4)) == Save(HUB, position(4))
    assert ledger.position == position(3)  # until it is on disk
    ledger.saved(Saved(position(4)), 0.0)
    assert ledger.position == position(4)


def test_a_forgotten_position_is_forgotten_on_disk_too():
    ledger = Ledger(HUB, position(3), {"a": 4})
    ledger.forget()
    assert (ledger.position, ledger.ahead) == (None, {})
    assert ledger.save(None) == Save(HUB, None)
    ledger.saved(Saved(None), 0.0)
    assert ledger.save(None) is None


def test_a_position_that_is_being_saved_can_be_forgotten():
    ledger = Ledger(HUB, None)
    assert ledger.save(position(3)) == Save(HUB, position(3))
    ledger.forget()
    ledger.saved(Saved(position(3)), 0.0)
    assert ledger.position is None
    assert ledger.save(None) == Save(HUB, None)


def test_only_what_is_beyond_the_position_has_to_be_named():
    ledger = Ledger(HUB, position(3))
    ledger.completed(committed(Commit((directory("a", 3), directory("b", 5)))))
    ledger.completed(ready(Prepare((directory("c", 6),))))  # that is not applied
    ledger.greet({"d"})
    assert ledger.unnamed == {"b", "d"}
    ledger.save(position(5))
    ledger.saved(Saved(position(5)), 0.0)
    ledger.greet(set())
    assert ledger.unnamed == set()


def test_a_new_pin_keeps_the_position():
    ledger = Ledger(b"", position(3))
    ledger.meet(HUB)
    assert ledger.save(None) == Save(HUB, position(3))


def test_what_the_disk_refused_is_tried_with_the_next_position():
    ledger = Ledger(b"", None)
    ledger.meet(HUB)
    assert ledger.save(position(3)) == Save(HUB, position(3))
    ledger.saved(Saved(position(3), error="full"), 0.0)
    assert ledger.position is None
    assert ledger.save(None) is None  # a failing disk is not pressed
    assert ledger.save(position(4)) == Save(HUB, position(4))
    ledger.saved(Saved(position(4)), 0.0)
    assert ledger.position == position(4)


def test_the_hub_is_told_once_of_what_was_saved_in_a_while():
    ledger = Ledger(HUB, None)
    for seq, now in ((3, 10.0), (4, 10.5)):
        ledger.save(position(seq))
        ledger.saved(Saved(position(seq)), now)
    assert ledger.ack_at == 10.0 + ACK_S
    assert ledger.acknowledge(10.9) is None
    assert ledger.acknowledge(11.0) == Ack(4)
    assert (ledger.ack_at, ledger.acknowledge(99.0)) == (None, None)


def test_an_acknowledgement_counts_from_when_the_hub_told_the_news():
    """However long each client worked on them: so those of a fleet come close together."""
    ledger = Ledger(HUB, None)
    ledger.told(10.0)
    ledger.told(10.3)
    ledger.save(position(4))
    ledger.saved(Saved(position(4)), 10.6)
    assert ledger.ack_at == 10.0 + ACK_S
    assert ledger.acknowledge(11.0) == Ack(4)
    ledger.told(12.0)
    ledger.save(position(5))
    ledger.saved(Saved(position(5)), 20.0)
    assert ledger.acknowledge(20.0) == Ack(5)  # that was long ago
    ledger.save(position(6))
    ledger.saved(Saved(position(6)), 20.1)
    assert ledger.ack_at == 20.1 + ACK_S  # and the next one a while later


def test_a_greeting_tells_the_position_too():
    ledger = Ledger(HUB, None)
    ledger.save(position(3))
    ledger.told(10.0)
    ledger.saved(Saved(position(3)), 10.0)
    ledger.greet(set())
    assert ledger.ack_at is None
    ledger.save(position(4))
    ledger.saved(Saved(position(4)), 30.0)
    assert ledger.ack_at == 30.0 + ACK_S
