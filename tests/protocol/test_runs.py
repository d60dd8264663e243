import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol import runs
from protocol.errors import BadMessage

from .strategies import run_lists


def indices(listed):
    return {index for start, stop in listed for index in range(start, stop)}


@given(run_lists())
def test_round_trip(listed):
    coded = runs.encode(listed)
    assert runs.decode(coded) == listed
    assert runs.count(coded) == len(indices(listed))


@given(st.binary(max_size=12), st.integers(0, 500))
def test_a_set_has_one_form(data, limit):
    try:
        listed = runs.decode(data, limit)
    except BadMessage:
        with pytest.raises(BadMessage):
            runs.count(data, limit)
        return
    assert runs.encode(listed) == data
    assert runs.count(data, limit) == len(indices(listed))
    assert all(index < limit for index in indices(listed))


@given(run_lists(64), run_lists(64))
def test_covers(outer, inner):
    assert runs.covers(outer, inner) == (indices(inner) <= indices(outer))


def test_whole():
    assert runs.decode(runs.whole(4096)) == [(0, 4096)]
    assert runs.whole(0) == b""


@pytest.mark.parametrize(
    ("data", "why"),
    [
        ("00", "ends after a gap"),
        ("00 01 05", "ends after a gap"),
        ("00 00", "has a run that is empty"),
        ("00 01 00 01", "not apart"),
        ("80 00 01", "longer than it need be"),
        ("81 80 00 01", "longer than it need be"),
        ("00 80", "ends inside a varint"),
        ("80 80 80 01 01", "more than three bytes"),
        ("00 81 20", "names index 4096, but the last is 4095"),
        ("ff 7f 01", "names index 16383, but the last is 4095"),
        ("00 01" * 2049, "longer than 4096 bytes"),
    ],
)
def test_refused(data, why):
    for read in (runs.decode, runs.count):
        with pytest.raises(BadMessage, match=why):
            read(bytes.fromhex(data))


@pytest.mark.parametrize("listed", [[(0, 0)], [(2, 1)], [(0, 1), (1, 2)], [(3, 4), (0, 1)]])
def test_only_run_sets_are_encoded(listed):
    with pytest.raises(ValueError, match="not ascending, apart and filled"):
        runs.encode(listed)
