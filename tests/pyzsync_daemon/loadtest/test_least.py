import random

import pytest

from pyzsync_daemon.loadtest.changes import Edit, tree_of
from pyzsync_daemon.loadtest.least import least_bytes

DATA = random.Random(1).randbytes(3_000_000)
SOME = random.Random(2).randbytes(10_000)
ANNOUNCED = 400  # bytes that an announcement and the messages' heads take, at the most


def edit(path, old, new):
    return Edit(path, old, new, tree_of(new) if new is not None else None)


@pytest.mark.parametrize(
    ("old", "new", "content"),
    [
        (DATA, DATA[:1000] + SOME + DATA[11_000:], 10_000),
        (DATA, SOME + DATA, 10_000),
        (DATA, DATA + SOME, 10_000),
        (None, SOME, 10_000),
        (SOME, bytes(10_000), 100),  # compressed, a new file of zeros is shorter than any delta
        (DATA[:100_000], SOME * 2, 10_000),
    ],
    ids=["edit", "insert", "append", "new", "zeros", "repeated"],
)
def test_what_is_new_travels_once(old, new, content):
    assert (
        content * 0.9 - 100 <= least_bytes([edit("f", old, new)]) <= content * 1.1 + ANNOUNCED + 600
    )


def test_a_rename_moves_no_content():
    assert least_bytes([Edit("f", DATA, None), edit("g", None, DATA)]) < ANNOUNCED


def test_one_announcement_tells_of_all():
    one = least_bytes([edit("f", None, SOME)])
    ten = least_bytes([edit(f"f{n}", None, SOME) for n in range(10)])
    assert 10 * len(SOME) < ten < 10 * one
