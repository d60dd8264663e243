from protocol import runs
from protocol.messages import HashQuery
from pyzsync_daemon.client.pushed import Pushed
from tests.pyzsync_daemon.client.values import (
    block_query,
    delta,
    delta_query,
    hash_query,
    hashlist,
    version,
)


def test_a_pushed_hashlist_is_taken_once():
    pushed = Pushed()
    pushed.keep(hashlist(hash_query()))
    assert pushed.take(hash_query(2)) == []
    assert pushed.take(block_query()) == []
    assert pushed.take(hash_query()) == [hashlist(hash_query())]
    assert (pushed.take(hash_query()), pushed.bytes) == ([], 0)


def test_an_incremental_one_answers_whatever_nodes_are_asked():
    pushed = Pushed()
    listed = hashlist(HashQuery(version(1), 0, 0, runs.encode([(2, 3)]), version(2)))
    pushed.keep(listed)
    assert pushed.take(hash_query(nodes=9, since=version(2))) == [listed]


def test_an_equal_one_replaces_it():
    pushed = Pushed()
    pushed.keep(hashlist(hash_query(nodes=100)))
    size = pushed.bytes
    pushed.keep(hashlist(hash_query(nodes=100)))
    assert pushed.bytes == size


def test_bytes_are_bounded_and_the_oldest_go_first():
    pushed = Pushed(max_bytes=100_000)
    for number in range(1, 5):
        pushed.keep(hashlist(hash_query(number, nodes=4096)))  # 36 KiB each
        assert pushed.bytes <= 100_000
    assert [pushed.take(hash_query(n, nodes=4096)) == [] for n in range(1, 5)] == [
        True,
        True,
        False,
        False,
    ]


def test_small_ones_are_bounded_too():
    pushed = Pushed(max_bytes=100_000)
    for number in range(1000):
        pushed.keep(hashlist(hash_query(since=number.to_bytes(32, "big"))))
    assert pushed.bytes <= 100_000


def test_a_delta_is_taken_when_all_its_parts_are_here():
    pushed = Pushed()
    query = delta_query()
    for part in range(3):
        pushed.keep(delta(query, part, 3))
    assert pushed.take(query) == [delta(query, part, 3) for part in range(3)]
    assert (pushed.take(query), pushed.bytes) == ([], 0)


def test_part_of_a_delta_is_no_answer():
    pushed = Pushed()
    query = delta_query()
    pushed.keep(delta(query, 0, 3))
    pushed.keep(delta(query, 1, 3))
    assert pushed.take(query) == []
    pushed.keep(delta(query, 2, 3))  # its beginning was given up
    assert (pushed.take(query), pushed.bytes) == ([], 0)


def test_parts_that_are_not_of_one_delta_are_dropped():
    pushed = Pushed()
    query = delta_query()
    for other in (delta(query, 1, 3), delta(query, 1, 2, size=99)):
        pushed.keep(delta(query, 0, 2))
        pushed.keep(other)
        assert (pushed.take(query), pushed.bytes) == ([], 0)


def test_a_delta_that_is_pushed_again_replaces_it():
    pushed = Pushed()
    query = delta_query()
    for part in (0, 0, 1):
        pushed.keep(delta(query, part, 2))
    assert len(pushed.take(query)) == 2
    assert pushed.bytes == 0
