import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyzsync.classic.delta import BlockSearch, search_file
from pyzsync.classic.errors import BadHashlist
from pyzsync.classic.shapes import entries
from pyzsync.classic.steps import CHUNK, run
from tests.pyzsync.classic.support import Counted, hashlist


def offsets(delta):
    return {entry.number: entry.offset for entry in entries(delta)}


async def test_entries_get_their_offset():
    num, hashes = await hashlist(b"aaaabbbbccccdd", 4)
    before = copy.deepcopy(hashes)
    search = BlockSearch(hashes, 4)
    search.feed(b"xccccyaaaazdd")
    assert offsets(search.delta()) == {0: 6, 1: None, 2: 1, 3: 11}
    assert num == 4
    assert hashes == before


@given(
    st.lists(st.text("ab", max_size=30).map(str.encode)),
    st.text("ab", max_size=60).map(str.encode),
    st.integers(1, 20),
)
async def test_any_pieces_give_the_same_delta(pieces, new, blocksize):
    _, hashes = await hashlist(new, blocksize)
    whole, cut = BlockSearch(hashes, blocksize), BlockSearch(hashes, blocksize)
    whole.feed(b"".join(pieces))
    for piece in pieces:
        cut.feed(piece)
    assert cut.delta() == whole.delta()


@given(st.binary(max_size=50), st.binary(max_size=50), st.integers(1, 20))
async def test_every_block_that_is_there_is_found(old, new, blocksize):
    _, hashes = await hashlist(new, blocksize)
    search = BlockSearch(hashes, blocksize)
    search.feed(old)
    for number, offset in offsets(search.delta()).items():
        place = old.find(new[number * blocksize : (number + 1) * blocksize])
        assert offset == (None if place < 0 else place)


async def test_memory_does_not_grow_with_the_old_file():
    _, hashes = await hashlist(b"needle" * 100, 64)
    search = BlockSearch(hashes, 64)
    for _ in range(20):
        search.feed(bytes(CHUNK))
    assert len(search._data) <= 64


async def test_reading_stops_when_all_is_found():
    new = bytes(range(256)) * 16
    _, hashes = await hashlist(new, 512)
    old = Counted(new + bytes(5 * CHUNK))
    search = run(search_file(old, hashes, 512))
    assert not search.pending
    assert old.reads == [CHUNK]


async def test_a_file_is_read_in_large_chunks():
    _, hashes = await hashlist(b"x" * 5000, 4096)
    old = Counted(bytes(2 * CHUNK))
    run(search_file(old, hashes, 4096))
    assert old.reads == [CHUNK, CHUNK, 0]


async def test_nothing_is_read_for_an_empty_new_file():
    old = Counted(bytes(100))
    assert run(search_file(old, {}, 16)).delta() == {}
    assert old.reads == []


async def test_zeros_cost_two_strong_hashes_and_one_read():
    _, hashes = await hashlist(bytes(4 * CHUNK + 5), 4096)
    old = Counted(bytes(4 * CHUNK))
    search = run(search_file(old, hashes, 4096))
    assert set(offsets(search.delta()).values()) == {0}
    assert search.hashed == 2  # one for all full blocks, one for the short last one
    assert old.reads == [CHUNK]


async def test_zeros_cost_few_strong_hashes_while_others_are_looked_for():
    _, hashes = await hashlist(bytes(CHUNK) + b"not there" * 1000, 512)
    search = run(search_file(Counted(bytes(4 * CHUNK)), hashes, 512))
    assert search.hashed == 1


async def test_a_blocksize_beyond_the_file_finds_the_short_block():
    _, hashes = await hashlist(b"small", 1 << 40)
    search = run(search_file(Counted(b"a small file"), hashes, 1 << 40))
    assert offsets(search.delta()) == {0: 2}


async def test_another_blocksize_is_noticed_by_the_short_block():
    _, hashes = await hashlist(b"x" * 100, 64)
    with pytest.raises(BadHashlist, match="does not fit blocksize 16"):
        BlockSearch(hashes, 16)
