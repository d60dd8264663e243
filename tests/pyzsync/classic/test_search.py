import hashlib

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pyzsync.classic.search import MAX_TRIES, Finder
from pyzsync.weak import weak_sum


def finder_for(blocks):
    wanted = {hashlib.md5(block).digest(): weak_sum(block) for block in blocks}
    return Finder(len(blocks[0]), wanted)


def found(finder, block):
    return finder.places[hashlib.md5(block).digest()]


@given(st.text("ab", max_size=60), st.lists(st.text("ab", min_size=4, max_size=4), min_size=1))
def test_each_block_is_found_where_it_first_is(old, blocks):
    old, blocks = old.encode(), [block.encode() for block in blocks]
    finder = finder_for(blocks)
    finder.advance(bytearray(old), 0)
    assert [found(finder, block) for block in blocks] == [old.find(block) for block in blocks]
    assert finder.pending == sum(block not in old for block in set(blocks))


def test_a_found_block_is_not_hashed_again():
    finder = finder_for([bytes(64)])
    finder.advance(bytearray(1 << 20), 0)
    assert (finder.hashed, finder.pending) == (1, 0)


def test_a_found_block_is_not_hashed_again_while_others_are_looked_for():
    finder = finder_for([bytes(64), b"x" * 64])
    finder.advance(bytearray(1 << 20), 0)
    assert (finder.hashed, finder.pending) == (1, 1)


def test_a_weak_sum_that_never_holds_is_given_up():
    false = hashlib.md5(b"another block").digest()
    finder = Finder(64, {false: weak_sum(bytes(64))})
    finder.advance(bytearray(1 << 20), 0)
    assert (finder.hashed, finder.pending) == (MAX_TRIES, 0)
    assert finder.places == {false: -1}


def test_hashes_of_a_random_file_are_those_of_its_matches():
    data = np.random.default_rng(2).integers(0, 256, 1 << 18, np.uint8).tobytes()
    blocks = [data[at : at + 512] for at in range(7, len(data) - 512, 512)]
    finder = finder_for(blocks)
    finder.advance(bytearray(data), 0)
    assert [found(finder, block) for block in blocks] == list(range(7, len(data) - 512, 512))
    assert finder.hashed <= len(blocks) + 2  # a false weak match in 2**32 positions


def test_many_weak_sums_in_one_slot_of_the_table():
    # Sums that differ only in their high bits share a counter; it overflows and must stay right.
    wanted = {n.to_bytes(16, "big"): (n << 22) for n in range(1, 600)}
    wanted[hashlib.md5(bytes(8)).digest()] = 0
    finder = Finder(8, wanted)
    finder.advance(bytearray(100), 0)
    assert found(finder, bytes(8)) == 0
    assert finder.pending == 599
