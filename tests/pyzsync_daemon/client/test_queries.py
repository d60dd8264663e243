"""Questions cover what is wanted exactly once, and every answer fits its frame."""

import numpy as np
import pytest

from protocol import runs
from protocol.limits import MAX_FRAME
from pyzsync.grid import WINDOW, node_count, strong_width
from pyzsync_daemon.client import queries

VERSION = b"v" * 32


def nodes_of(asked):
    return [
        query.window * 4096 + node
        for query in asked
        for start, stop in runs.decode(query.nodes)
        for node in range(start, stop)
    ]


@pytest.mark.parametrize("length", [1, 512, WINDOW, WINDOW + 1, 5 * WINDOW + 700])
def test_all_blocks_are_all_windows_whole(length):
    asked = tuple(queries.all_blocks(VERSION, length))
    assert [query.window for query in asked] == list(range(len(asked)))
    assert sum(runs.count(query.leaves) for query in asked) == node_count(length, 0)


@pytest.mark.parametrize("length", [1, 3 * WINDOW + 700, 2**33])
def test_all_hashes_of_a_level_fit_frames(length):
    level = 1 if length < 2**32 else 4
    asked = queries.hashes(VERSION, length, level)
    assert nodes_of(asked) == list(range(node_count(length, level)))
    entry = 4 + strong_width(length)
    assert max(runs.count(query.nodes) for query in asked) * entry < MAX_FRAME


def test_only_wanted_hashes_are_asked_for():
    length = 3 * WINDOW
    wanted = np.zeros(node_count(length, 0), dtype=np.bool_)
    wanted[[5, 6, 9000]] = True
    asked = queries.hashes(VERSION, length, 0, wanted)
    assert nodes_of(asked) == [5, 6, 9000]
    assert [query.window for query in asked] == [0, 2]


def test_blocks_name_their_leaves():
    query = queries.blocks(VERSION, 3, [(1, 2), (7, 9)])
    assert (query.window, runs.decode(query.leaves)) == (3, [(1, 2), (7, 9)])
