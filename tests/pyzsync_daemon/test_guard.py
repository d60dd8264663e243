import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyzsync_daemon.guard import DeletionGuard, Halt


def guard(share=0.5, floor=20):
    return DeletionGuard(share, floor)


@pytest.mark.parametrize(
    ("entries", "vanished", "halts"),
    [
        (100, 50, False),  # not more than the share
        (100, 51, True),
        (30, 20, False),  # not more than the floor
        (30, 21, True),
        (1000, 21, False),
        (30, 30, True),
        (5, 5, True),  # everything, though below the floor
        (2, 2, True),
        (1, 1, False),  # the only file was deleted
        (0, 0, False),
        (100, 0, False),
    ],
)
def test_how_much_may_vanish_at_once(entries, vanished, halts):
    assert (guard().check(0.0, entries, vanished) is not None) is halts


def test_what_appears_is_set_off():
    assert guard().check(0.0, 100, 100, appeared=100) is None
    assert guard().check(0.0, 100, 100, appeared=50) is None
    assert guard().check(0.0, 100, 100, appeared=40) == Halt(60, 100, 0.5, 20)


def test_a_tree_that_goes_in_steps_is_noticed():
    steps = guard()
    passed, entries = 0, 100
    while steps.check(passed * 0.01, entries, 10) is None:
        passed += 1
        entries -= 10
    assert (passed, entries) == (5, 50)


def test_it_is_no_matter_when_the_entries_are_counted():
    """A batch may be judged before the one before it is done."""
    steps = guard()
    assert [steps.check(0.0, 1000, 256) is None for _ in range(3)] == [True, False, False]
    assert steps.check(0.0, 1000, 232) is None
    assert str(steps.check(0.0, 512, 13)) == (
        "501 of 1000 entries are gone; more than 20 and 50% at once is not believed"
    )


def test_files_that_come_and_go_are_no_emptied_tree():
    steps = guard(share=1.0)
    assert steps.check(0.0, 470, 5) is None
    entries = 465 + 500  # five hundred files are made, and deleted in several steps
    for moment in range(1, 6):
        assert steps.check(float(moment), entries, 100) is None
        entries -= 100


def test_the_last_entries_are_all_there_were():
    steps = guard()
    assert steps.check(0.0, 15, 10) is None
    assert str(steps.check(0.0, 15, 5)) == "all 15 entries are gone"


def test_deletions_over_a_long_time_are_believed():
    slow = guard()
    entries = 100
    for minute in range(9):
        assert slow.check(minute * 60.0, entries, 10) is None
        entries -= 10


def test_forgiven_deletions_do_not_count():
    forgiving = guard()
    assert forgiving.check(0.0, 100, 50) is None
    forgiving.forgive()
    assert forgiving.check(0.0, 50, 25) is None


def test_a_halt_counts_nothing_and_says_why():
    strict = guard()
    assert str(strict.check(0.0, 100, 60)) == (
        "60 of 100 entries are gone; more than 20 and 50% at once is not believed"
    )
    assert str(strict.check(0.0, 100, 100)) == "all 100 entries are gone"
    assert strict.check(0.0, 100, 50) is None


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 5)), max_size=40))
def test_the_share_holds_over_any_steps(steps):
    """However deletions are split, no more than the share of what there was goes in the window."""
    subject = guard()
    entries = start = 100
    for vanished, _ in steps:
        vanished = min(vanished, entries)
        if subject.check(0.0, entries, vanished) is None:
            entries -= vanished
    assert entries >= start * 0.5
