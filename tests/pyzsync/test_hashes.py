import random

import numpy as np
import pytest
from blake3 import blake3

from pyzsync.grid import WINDOW, WINDOW_LEVEL, node_count
from pyzsync.hashes import Hashes, hash_level, hash_window
from pyzsync.weak import weak_sum

DATA = random.Random(1).randbytes(5 * 512 + 100)


def column(count=3, width=5):
    weak = np.arange(count, dtype="<u4").tobytes()
    return Hashes.from_bytes(weak, bytes(range(count * width)), width)


def test_columns_from_bytes_and_back():
    hashes = column()
    assert (len(hashes), hashes.width) == (3, 5)
    assert hashes.weak_bytes() == bytes([0, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0])
    assert hashes.strong_bytes() == bytes(range(15))
    assert hashes[1:].strong_bytes() == bytes(range(5, 15))
    assert hashes.take(np.array([2, 0])).weak.tolist() == [2, 0]
    assert len(Hashes.from_bytes(b"", b"", 5)) == 0


def test_columns_of_different_length_are_refused():
    with pytest.raises(ValueError, match="do not match"):
        Hashes.from_bytes(bytes(8), bytes(5), 5)


def test_cut():
    assert column().cut(2).strong_bytes() == bytes([0, 1, 5, 6, 10, 11])
    with pytest.raises(ValueError, match="5 strong bytes cannot be cut to 6"):
        column().cut(6)


def test_equal_compares_weak_and_the_strong_bytes_that_both_have():
    a, b = column(), column().cut(3)
    assert a.equal(b).tolist() == [True, True, True]
    b.strong[1, 2] ^= 1
    b.weak[2] += 1
    assert a.equal(b).tolist() == [True, False, False]


def test_a_window_has_every_level_up_to_its_own_node():
    hashes = hash_window(DATA)
    levels = [len(hashes.level(level)) for level in range(WINDOW_LEVEL + 1)]
    assert levels == [6, 2, 1, 1, 1, 1, 1]
    leaf = blake3(DATA[512:1024]).digest()
    assert hashes.level(0).strong[1].tobytes() == leaf[:20]
    assert hashes.level(0).weak[5] == weak_sum(DATA[2560:])
    assert {int(hashes.level(level).weak[0]) for level in range(2, WINDOW_LEVEL + 1)} == {
        weak_sum(DATA)
    }


def test_digests_are_those_of_full_digests():
    leaves = [blake3(DATA[at : at + 512]).digest() for at in range(0, len(DATA), 512)]
    pair = [blake3(b"".join(leaves[:4])).digest(), blake3(b"".join(leaves[4:])).digest()]
    apex = blake3(b"".join(pair)).digest()
    hashes = hash_window(DATA)
    assert hashes.level(1).strong_bytes() == b"".join(digest[:20] for digest in pair)
    assert hashes.apex == apex
    top = apex
    for _ in range(4):
        top = blake3(top).digest()
    assert hashes.top == top
    assert hash_level(DATA, 1).strong_bytes() == b"".join(pair)


def test_base_only_says_what_is_kept():
    fine, coarse = hash_window(DATA), hash_window(DATA, base=2)
    assert len(coarse.nodes) == 5  # one of each level
    assert coarse.level(3).strong_bytes() == fine.level(3).strong_bytes()
    assert (coarse.top, coarse.apex) == (fine.top, fine.apex)


@pytest.mark.parametrize("size", [1, 511, 512, 513, 2048, 2049])
def test_small_windows(size):
    data = DATA[:size]
    hashes = hash_window(memoryview(bytearray(data)))
    levels = [len(hashes.level(level)) for level in range(7)]
    assert levels == [node_count(size, level) for level in range(7)]
    if size <= 512:
        assert hashes.apex == blake3(data).digest()


def test_a_window_of_no_or_too_many_bytes_or_no_such_base():
    for data in (b"", bytes(WINDOW + 1)):
        with pytest.raises(ValueError, match=f"a window has 1 to {WINDOW} bytes"):
            hash_window(data)
    with pytest.raises(ValueError, match="finest kept level is 0 to 6, not 7"):
        hash_window(b"x", base=7)
