import pytest

from pyzsync_daemon.client.gather import ENOUGH, PATIENCE, Gather


@pytest.fixture
def gather():
    return Gather()


def test_a_change_alone_goes_at_once(gather):
    assert gather.enough(1, 5.0, more=False)
    assert gather.at is None


def test_with_others_on_the_way_it_waits_for_them_but_not_for_long(gather):
    assert not gather.enough(1, 5.0, more=True)
    assert gather.at == 5.0 + PATIENCE
    assert not gather.enough(2, 5.0 + PATIENCE / 2, more=True)
    assert gather.at == 5.0 + PATIENCE  # the first one's time, whatever comes
    assert gather.enough(2, 5.0 + PATIENCE, more=True)
    assert gather.at is None
    assert not gather.enough(1, 6.0, more=True)
    assert gather.at == 6.0 + PATIENCE


def test_the_last_one_takes_those_that_waited_along(gather):
    assert not gather.enough(1, 5.0, more=True)
    assert gather.enough(2, 5.0, more=False)


def test_many_wait_for_nobody(gather):
    assert gather.enough(ENOUGH, 5.0, more=True)


def test_nothing_ready_is_nothing_to_wait_for(gather):
    assert not gather.enough(1, 5.0, more=True)
    assert not gather.enough(0, 5.0, more=True)
    assert gather.at is None
