import random

import numpy as np
import pytest

from pyzsync import moved
from pyzsync.hashes import Hashes
from pyzsync.kernel import Join
from pyzsync.moved import find_moved


def hashes_of(ids, width=12):
    """Hashes that follow from a number."""
    weak = (np.asarray(ids, np.uint64) * np.uint64(0x9E3779B97F4A7C15) >> np.uint64(20)).astype(
        "<u4"
    )
    strong = b"".join(random.Random(int(one)).randbytes(width) for one in ids)
    return Hashes(weak, np.frombuffer(strong, np.uint8).reshape(-1, width))


def shuffled(seed, parts, most):
    """Runs of numbers from all over, some of them several times."""
    pick = random.Random(seed)
    starts = [pick.randrange(2000) for _ in range(parts)]
    return [n for start in starts for n in range(start, start + pick.randrange(1, most))]


def all_wanted(hashes):
    return np.ones(len(hashes), dtype=np.bool_)


@pytest.mark.parametrize("chunk", [1 << 17, 100, 7])
@pytest.mark.parametrize("seed", range(4))
def test_everything_equal_is_found_and_nothing_else(monkeypatch, seed, chunk):
    monkeypatch.setattr(moved, "_LEAST", 1)
    monkeypatch.setattr(moved, "_CHUNK", chunk)
    new, old = shuffled(seed, 30, 60), shuffled(seed + 100, 40, 90)
    wanted = np.array([n % 11 != 0 for n in range(len(new))])
    places = find_moved(wanted, hashes_of(new), hashes_of(old, 20))
    for n, (one, is_wanted, place) in enumerate(zip(new, wanted, places.tolist(), strict=True)):
        assert (place >= 0) == (is_wanted and one in old), n
        assert place < 0 or old[place] == one


def test_repeated_nodes_take_the_place_that_continues_a_neighbour(monkeypatch):
    monkeypatch.setattr(moved, "_LEAST", 1)
    first = next(n for n in range(200) if hashes_of([n]).weak[0] & 15 == 0)
    run = [first, 5000, 5000, 5000, 5001]
    places = find_moved(all_wanted(run), hashes_of(run), hashes_of([5000, *run, 5000]))
    assert places.tolist() == [1, 2, 3, 4, 5]


def test_the_table_of_all_nodes_is_not_made_where_runs_tell(monkeypatch):
    tables = []

    class Counting:
        def __init__(self, flags, *columns):
            tables.append(len(flags))
            self.join = Join(flags, *columns)

        def __getattr__(self, name):
            return getattr(self.join, name)

    monkeypatch.setattr(moved, "Join", Counting)
    ids = list(range(20_000))
    edited = [-n - 1 if n % 1000 == 500 else n for n in ids[3000:] + ids[:3000]]
    new = hashes_of([n % 2**40 for n in edited])
    places = find_moved(all_wanted(new), new, hashes_of(ids))
    assert np.count_nonzero(places < 0) == 20
    assert len(tables) == 2
    assert tables[0] < len(ids) / 10  # a sixteenth of them by chance
    assert tables[1] < 200  # the edited ones, and what lies before the first of a run


def test_few_nodes_are_looked_up_at_once(monkeypatch):
    monkeypatch.setattr(moved, "extend_runs", None)
    few = hashes_of(range(100))
    assert find_moved(all_wanted(few), few, few).tolist() == list(range(100))


def test_no_nodes(monkeypatch):
    monkeypatch.setattr(moved, "_LEAST", 0)
    none, some = hashes_of([]), hashes_of([1, 2])
    assert find_moved(all_wanted(none), none, some).tolist() == []
    assert find_moved(all_wanted(some), some, none).tolist() == [-1, -1]
    assert find_moved(np.zeros(2, dtype=np.bool_), some, some).tolist() == [-1, -1]
