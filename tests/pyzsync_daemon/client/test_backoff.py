import random

from pyzsync_daemon.client.backoff import Backoff


def highest(low, high):
    return high


def test_the_ceiling_doubles_up_to_the_longest_wait():
    backoff = Backoff(0.5, 3.0, highest)
    assert [backoff.next() for _ in range(5)] == [0.5, 1.0, 2.0, 3.0, 3.0]


def test_every_wait_is_drawn_from_zero_up():
    drawn = []
    backoff = Backoff(1.0, 8.0, lambda low, high: drawn.append((low, high)) or low)
    assert [backoff.next() for _ in range(4)] == [0.0] * 4
    assert drawn == [(0.0, 1.0), (0.0, 2.0), (0.0, 4.0), (0.0, 8.0)]


def test_what_the_hub_asked_for_comes_first():
    assert Backoff(0.5, 3.0, highest).next(retry_after=10.0) == 10.5


def test_a_connection_that_stood_starts_anew():
    backoff = Backoff(0.5, 3.0, highest)
    backoff.next()
    backoff.next()
    backoff.reset()
    assert backoff.next() == 0.5


def test_a_year_of_failures_is_still_a_number():
    backoff = Backoff(0.5, 3.0, random.Random(1).uniform)
    assert all(0.0 <= backoff.next() <= 3.0 for _ in range(2000))
