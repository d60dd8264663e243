from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyzsync.runs import mask_of, runs_of


@given(st.lists(st.booleans()))
def test_round_trip_and_canonical_form(flags):
    mask = np.array(flags, dtype=np.bool_)
    runs = runs_of(mask)
    assert mask_of(runs, len(mask)).tolist() == flags
    assert all(start < stop for start, stop in runs)
    assert all(a[1] < b[0] for a, b in pairwise(runs))


def test_plain_integers():
    assert runs_of(np.array([False, True, True, False, True])) == [(1, 3), (4, 5)]
    assert all(type(n) is int for run in runs_of(np.ones(3, dtype=np.bool_)) for n in run)


@pytest.mark.parametrize(
    "runs", [[(0, 4)], [(-1, 1)], [(1, 1)], [(2, 1)], [(0, 1), (1, 2)], [(1, 2), (0, 1)]]
)
def test_runs_that_are_not_canonical_or_outside(runs):
    with pytest.raises(ValueError, match=r"out of order or outside 0\.\.3"):
        mask_of(runs, 3)
