"""Which remains are kept."""

from pyzsync_daemon.client.remains import Remains, worth_keeping


def kept(*remains):
    return worth_keeping(Remains(name, name[0], *numbers) for name, *numbers in remains)


def test_nothing_is_kept_of_nothing():
    assert kept() == []


def test_of_a_version_the_fullest_are_kept_in_whatever_order_they_came():
    assert kept(("v1", 9, 1), ("v2", 0, 2), ("v3", 5, 3), ("v4", 1, 4)) == ["v3", "v1"]


def test_a_newer_version_is_kept_before_fuller_ones_that_were_replaced():
    assert kept(("u1", 9, 1), ("v1", 8, 2), ("w1", 1, 3)) == ["w1", "v1"]


def test_a_version_is_as_new_as_its_newest():
    assert kept(("u1", 9, 1), ("v1", 8, 2), ("w1", 7, 3), ("u2", 0, 4)) == ["u2", "w1", "u1"]


def test_of_equally_full_ones_the_newest_are_kept():
    assert kept(("v1", 5, 1), ("v2", 5, 3), ("v3", 5, 2)) == ["v3", "v2"]
