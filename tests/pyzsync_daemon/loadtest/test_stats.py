import pytest

from pyzsync_daemon.loadtest.stats import Times, mean, quantile


def test_the_figures_of_a_hundred():
    assert Times.of(map(float, range(100, 0, -1))) == Times(1, 50, 99, 100)


def test_of_one_all_are_that_one_and_of_none_all_are_zero():
    assert Times.of([3.0]) == Times(3, 3, 3, 3)
    assert Times.of([]) == Times(0, 0, 0, 0)


@pytest.mark.parametrize(("share", "value"), [(0.0, 1), (0.25, 1), (0.26, 2), (0.75, 3), (1.0, 4)])
def test_a_quantile_is_one_of_the_values(share, value):
    assert quantile([1, 2, 3, 4], share) == value


def test_the_mean():
    assert (mean([1, 2, 6]), mean([])) == (3, 0)
