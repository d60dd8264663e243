import hashlib

from hypothesis import given
from hypothesis import strategies as st

from pyzsync.classic.checksums import BlockHasher, hash_file
from pyzsync.classic.steps import CHUNK, run
from pyzsync.weak import weak_sum
from tests.pyzsync.classic.support import Counted


@given(st.binary(max_size=80), st.integers(1, 30))
def test_every_block_has_its_entry(data, blocksize):
    hasher = BlockHasher(blocksize)
    hasher.feed(data)
    count, hashes = hasher.finish()
    blocks = [data[at : at + blocksize] for at in range(0, len(data), blocksize)]
    listed = {entry[0]: (weak, *entry[1:]) for weak, found in hashes.items() for entry in found}
    assert count == len(blocks) == len(listed)
    for number, block in enumerate(blocks):
        short = () if len(block) == blocksize else (None, len(block))
        assert listed[number] == (weak_sum(block), hashlib.md5(block).digest(), *short)


@given(st.lists(st.binary(max_size=20)), st.integers(1, 12))
def test_any_pieces_give_the_same_hashes(pieces, blocksize):
    whole, cut = BlockHasher(blocksize), BlockHasher(blocksize)
    whole.feed(b"".join(pieces))
    for piece in pieces:
        cut.feed(piece)
    assert cut.finish() == whole.finish()
    assert cut.length == sum(map(len, pieces))


def test_equal_blocks_share_a_weak_sum_and_keep_their_numbers():
    hasher = BlockHasher(4)
    hasher.feed(b"aaaabbbbaaaa")
    _, hashes = hasher.finish()
    strong = hashlib.md5(b"aaaa").digest()
    assert hashes[weak_sum(b"aaaa")] == [(0, strong), (2, strong)]


def test_golden_hashlist():
    hasher = BlockHasher(4)
    hasher.feed(b"zsync!")
    assert hasher.finish() == (
        2,
        {
            0x9C368F48: [(0, bytes.fromhex("454d8f5498cfacb542df3767a84f6146"))],
            0x37EB63E0: [(1, bytes.fromhex("fd6969a31c402d2d95d60b7d11a4b303"), None, 2)],
        },
    )


def test_a_file_is_read_in_large_chunks():
    file = Counted(bytes(3 * CHUNK + 1))
    hasher = run(hash_file(file, 4096))
    assert hasher.count == 3 * CHUNK // 4096 + 1
    assert file.reads == [CHUNK, CHUNK, CHUNK, 1, 0]
