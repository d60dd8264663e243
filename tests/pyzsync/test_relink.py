import random

import numpy as np
import pytest

from pyzsync.hashes import Hashes
from pyzsync.relink import relink

UNIT = 512


def hashes(names):
    """One node a letter; equal letters are equal nodes."""
    strong = np.array([[ord(name)] * 20 for name in names], dtype=np.uint8)
    return Hashes(np.array([ord(name) for name in names], dtype=np.uint32), strong)


@pytest.mark.parametrize(
    ("old", "new", "source", "better"),
    [
        ("abcb", "abcb", [0, 1, 2, 1], [0, 1, 2, 3]),  # forwards
        ("bxab", "xab", [1, 2, 0], [1, 2, 3]),
        ("bxbc", "abc", [-1, 0, 3], [-1, 2, 3]),  # backwards
        ("zzzzz", "zzzz", [0, 0, 0, 0], [0, 1, 2, 3]),
        ("zz", "zzzz", [0, 0, 0, 0], [0, 1, 0, 0]),  # the old one has no more of them
        ("abcd", "cdab", [2, 3, 0, 1], [2, 3, 0, 1]),
        ("ab", "ab", [-1, -1], [-1, -1]),
        ("ab", "", [], []),
    ],
)
def test_sources_follow_their_neighbours(old, new, source, better):
    offsets = np.array([-1 if node < 0 else node * UNIT for node in source], dtype=np.int64)
    if new:
        relink(offsets, hashes(old), hashes(new), UNIT)
    joins = np.count_nonzero(np.diff(offsets) == UNIT)
    wanted = np.array([-1 if node < 0 else node * UNIT for node in better])
    if old != "zz":
        assert offsets.tolist() == wanted.tolist()
    else:
        assert joins >= 1
    for node, offset in zip(new, offsets.tolist(), strict=True):
        assert offset < 0 or old[offset // UNIT] == node


def test_small_parts_give_the_same(monkeypatch):
    """What is looked at at once bounds memory and nothing else."""
    pick = random.Random(1)
    old = "".join(pick.choices("abc", k=200))
    new = "".join(old[at : at + 20] for at in pick.choices(range(180), k=30))
    first = np.array([old.index(name) * UNIT for name in new], dtype=np.int64)
    found, rests = [], []
    for size in (1 << 17, 3):
        monkeypatch.setattr("pyzsync.relink._CHUNK", size)
        monkeypatch.setattr("pyzsync.relink._COMPARED", size)
        source = first.copy()
        relink(source, hashes(old), hashes(new), UNIT, lambda: rests.append(1))
        found.append(source.tolist())
    assert found[0] == found[1] != first.tolist()
    assert len(rests) > 100
