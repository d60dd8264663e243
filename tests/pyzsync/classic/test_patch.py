import io

import pytest

from pyzsync.classic.errors import (
    BlueprintIncomplete,
    FileTooShort,
    UnknownBlock,
    WrongBlock,
    WrongBlockSize,
)
from pyzsync.classic.patch import patch, read_blocks
from pyzsync.classic.steps import CHUNK, run
from tests.pyzsync.classic.support import Counted, plan

OLD = b"bbbb????"
NEW = b"aaaabbbbccccdd"


def patched(old, instructions, blocks, blocksize=4, verify=None, start=b""):
    result = io.BytesIO(start)
    run(patch(io.BytesIO(old), result, instructions, blocks, blocksize, verify))
    return result.getvalue()


async def test_blocks_are_put_in_their_place():
    instructions, missing, blocks, _ = await plan(OLD, NEW, 4)
    assert missing == [0, 2, 3]
    assert patched(OLD, instructions, blocks) == NEW
    assert patched(OLD, instructions, reversed(blocks)) == NEW


async def test_a_received_block_is_checked_by_the_instructions():
    instructions, _, _, _ = await plan(OLD, NEW, 4)
    with pytest.raises(WrongBlock) as caught:
        patched(OLD, instructions, [(2, b"cccx")])
    assert (caught.value.number, caught.value.size, caught.value.copied) == (2, 4, False)


async def test_a_received_block_is_checked_by_the_hashlist():
    _, _, _, hashes = await plan(OLD, NEW, 4)
    with pytest.raises(WrongBlock):
        patched(OLD, None, [(2, b"cccx")], verify=hashes)
    with pytest.raises(WrongBlock):  # a short last block must not be padded
        patched(OLD, None, [(3, b"dd\0\0")], verify=hashes)
    with pytest.raises(UnknownBlock):
        patched(OLD, None, [(4, b"eeee")], verify=hashes)


async def test_a_copied_block_is_checked_by_the_hashlist():
    instructions, _, blocks, hashes = await plan(OLD, NEW, 4)
    with pytest.raises(WrongBlock) as caught:
        patched(b"bbbX????", instructions, blocks, verify=hashes)
    assert (caught.value.number, caught.value.copied) == (1, True)


async def test_instructions_for_fewer_blocks_than_the_hashlist():
    instructions, _, blocks, hashes = await plan(OLD, NEW, 4)
    with pytest.raises(BlueprintIncomplete) as caught:
        patched(OLD, instructions[:2], blocks, verify=hashes)
    assert caught.value.numbers == (2, 3)


def test_blocks_that_cannot_be():
    with pytest.raises(WrongBlockSize) as caught:
        patched(b"", None, [(0, b"12345")])
    assert (caught.value.size, caught.value.blocksize) == (5, 4)
    with pytest.raises(WrongBlockSize):
        patched(b"", None, [(0, b"")])
    with pytest.raises(UnknownBlock):
        patched(b"", None, [(-1, b"1234")])
    with pytest.raises(UnknownBlock):
        patched(b"1234", [0], [(1, b"1234")])
    with pytest.raises(TypeError):
        patched(b"", None, [(0, "text")])


def test_an_old_file_that_shrank():
    with pytest.raises(FileTooShort) as caught:
        patched(b"1234567", [0, 4], None)
    assert (caught.value.offset, caught.value.wanted, caught.value.found) == (0, 8, 7)


def test_a_patched_file_that_shrank():
    assert run(read_blocks(io.BytesIO(b"123456"), [0, 1], 4)) == [(0, b"1234"), (1, b"56")]
    with pytest.raises(FileTooShort):
        run(read_blocks(io.BytesIO(b"1234"), [0, 1], 4))


def test_a_short_block_between_others_keeps_its_place():
    assert patched(b"", None, [(0, b"ab"), (1, b"cdef")], start=bytes(8)) == b"ab\0\0cdef"


def test_neighbouring_blocks_are_read_and_written_together():
    blocksize, count = 64, 2 * CHUNK // 64
    new = Counted(bytes(2 * CHUNK))
    blocks = run(read_blocks(new, range(count), blocksize))
    assert new.reads == [CHUNK] * 2
    result = Counted()
    run(patch(io.BytesIO(), result, None, blocks, blocksize, None))
    assert result.writes == [CHUNK] * 2


def test_neighbouring_copies_are_read_and_written_together():
    old, result = Counted(bytes(2 * CHUNK)), Counted()
    run(patch(old, result, range(0, 2 * CHUNK, 64), None, 64, None))
    assert old.reads == result.writes == [CHUNK] * 2
