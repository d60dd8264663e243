import pytest

from protocol import limits, runs
from protocol.codec import encode
from protocol.messages import BlockQuery, Blocks, Coding, Hashlist, HashQuery


def test_the_grid_reaches_the_largest_file():
    assert limits.WINDOW == 2 * 2**20
    assert limits.LEAF * limits.FANOUT**limits.MAX_LEVEL == limits.MAX_SIZE + 1
    assert (limits.MAX_WINDOW + 1) * limits.WINDOW == limits.MAX_SIZE + 1


def test_no_run_set_of_a_window_is_longer_than_its_limit():
    densest = [(index, index + 1) for index in range(0, limits.WINDOW_NODES, 2)]
    assert len(runs.encode(densest)) == limits.MAX_RUN_SET


def test_the_fullest_block_set_part_fits_a_frame():
    densest = runs.encode([(index, index + 1) for index in range(0, limits.WINDOW_NODES, 2)])
    query = BlockQuery(bytes(32), limits.MAX_WINDOW, densest)
    most = limits.MAX_BLOCK_PARTS
    data = bytes(limits.MAX_PAYLOAD)
    assert encode(Blocks(query, most - 1, most, Coding.RAW, limits.WINDOW, densest, data))
    assert limits.MAX_PAYLOAD % limits.LEAF == 0
    assert limits.MAX_PAYLOAD * most >= limits.WINDOW


@pytest.mark.parametrize("width", range(limits.MIN_WIDTH, limits.MAX_WIDTH + 1))
def test_as_many_nodes_as_allowed_fit_a_frame(width):
    count = limits.max_nodes(width)
    last = limits.WINDOW_NODES - count
    for nodes in (runs.whole(count), runs.encode([(last, last + count)])):
        query = HashQuery(bytes(32), 0, limits.MAX_WINDOW, nodes, bytes(32))
        assert encode(Hashlist(query, width, bytes(4 * count), bytes(width * count)))
    spread = runs.encode([(2 * n, 2 * n + 1) for n in range(2048)])
    query = HashQuery(bytes(32), 0, 0, spread, bytes(32))
    assert encode(Hashlist(query, width, bytes(4 * 2048), bytes(width * 2048)))


def test_a_whole_window_is_one_request_up_to_11_bytes_of_strong():
    assert [limits.max_nodes(width) for width in (5, 11, 12, 20)] == [4096, 4096, 2048, 2048]
