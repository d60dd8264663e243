import io
import random
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from pyzsync.errors import ShortRead
from pyzsync.grid import LEAF, WINDOW
from pyzsync.pack import write_tree
from pyzsync.parallel import hash_pieces, in_turn
from pyzsync.tree import hash_stream

DATA = random.Random(3).randbytes(3 * WINDOW + 5 * LEAF + 77)


@pytest.fixture
def pool():
    with ThreadPoolExecutor(3) as executor:
        yield executor


def packed(tree):
    parts = []
    write_tree(tree, parts.append)
    return b"".join(parts)


def reader(data):
    return lambda offset, size: data[offset : offset + size]


@pytest.mark.parametrize("size", [0, 1, LEAF, WINDOW, WINDOW + 1, len(DATA)])
@pytest.mark.parametrize("base", [None, 2])
def test_the_tree_is_that_of_one_pass(pool, size, base):
    data = DATA[:size]
    expected = packed(hash_stream(io.BytesIO(data).read, size, base))
    assert packed(hash_pieces(reader(data), size, pool, base)) == expected
    assert packed(hash_pieces(reader(data), size, None, base)) == expected


def test_each_window_is_read_once(pool):
    reads = []

    def read(offset, size):
        reads.append((offset, size))
        return DATA[offset : offset + size]

    hash_pieces(read, len(DATA), pool)
    starts = range(0, len(DATA), WINDOW)
    expected = [(at, min(WINDOW, len(DATA) - at)) for at in starts] + [(len(DATA), 1)]
    assert sorted(reads) == expected


def test_a_file_of_one_window_wakes_no_thread(pool):
    threads = set()

    def read(offset, size):
        threads.add(threading.current_thread())
        return DATA[offset:WINDOW][:size]

    hash_pieces(read, WINDOW, pool)
    assert threads == {threading.current_thread()}


@pytest.mark.parametrize("wrong", [-LEAF, -1, 1, WINDOW])
def test_a_file_of_another_length(pool, wrong):
    with pytest.raises(ShortRead) as caught:
        hash_pieces(reader(DATA), len(DATA) + wrong, pool)
    expected = len(DATA) if wrong > 0 else len(DATA) + wrong + 1
    assert (caught.value.expected, caught.value.got) == (len(DATA) + wrong, expected)


@pytest.mark.parametrize("ahead", [1, 2, 100])
def test_results_come_in_the_order_of_the_items(pool, ahead):
    assert list(in_turn(lambda i: i * i, range(50), pool, ahead)) == [i * i for i in range(50)]


def test_items_are_taken_as_work_begins(pool):
    taken = []
    results = in_turn(lambda i: i, (taken.append(i) or i for i in range(50)), pool, 4)
    assert next(results) == 0
    assert taken == [0, 1, 2, 3]
    results.close()
    assert taken == [0, 1, 2, 3]


def test_a_failure_leaves_nothing_behind(pool):
    begun, may_end, ended = threading.Event(), threading.Event(), []

    def work(i):
        if i == 0:
            begun.wait()
            may_end.set()
            raise ValueError("the first")
        if i == 1:
            begun.set()
            may_end.wait()
            ended.append(i)

    with pytest.raises(ValueError, match="the first"):
        list(in_turn(work, range(100), pool, 2))
    assert ended == [1]
