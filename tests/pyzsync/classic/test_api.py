"""The whole way from an old file to a new one; then each defect of the original, by name."""

import copy
import io

import aiofiles
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyzsync.classic import (
    DEFAULT_BLOCKSIZE,
    PatchMismatch,
    UnknownBlock,
    WrongBlock,
    block_checksums,
    easy_patch,
    easy_patch_async,
    get_blocks,
    get_blocks_async,
    get_blueprint,
    verify_patch,
    verify_patch_async,
    zsync_delta,
)
from tests.pyzsync.classic.support import Awaited, hashlist, plan

blocksizes = st.integers(1, 40)


@st.composite
def pairs(draw):
    """An old file and a new one that is made of pieces of it and of new bytes."""
    old = draw(st.one_of(st.binary(max_size=200), st.text("ab", max_size=200).map(str.encode)))
    piece = st.tuples(st.integers(0, len(old)), st.integers(0, 60)).map(
        lambda cut: old[cut[0] : cut[0] + cut[1]]
    )
    pieces = draw(st.lists(st.one_of(piece, st.binary(max_size=20)), max_size=8))
    return old, b"".join(pieces)


@given(pairs(), blocksizes)
async def test_the_patched_file_is_the_new_one(pair, blocksize):
    old, new = pair
    instructions, _, blocks, hashes = await plan(old, new, blocksize)
    result = io.BytesIO()
    easy_patch(io.BytesIO(old), result, instructions, blocks, blocksize, verify=hashes)
    assert result.getvalue() == new
    verify_patch(result, hashes, blocksize)


@given(pairs(), blocksizes)
async def test_the_awaited_twins_do_the_same(pair, blocksize):
    old, new = pair
    instructions, missing, blocks, hashes = await plan(old, new, blocksize)
    assert await get_blocks_async(Awaited(new, most=7), missing, blocksize) == blocks
    result = Awaited()
    await easy_patch_async(
        Awaited(old, most=7), result, instructions, blocks, blocksize, verify=hashes
    )
    assert result.getvalue() == new
    await verify_patch_async(result, hashes, blocksize)


@given(pairs(), blocksizes, st.randoms(use_true_random=False), st.integers(1, 5))
async def test_blocks_may_come_in_any_parts_and_order(pair, blocksize, random, parts):
    old, new = pair
    instructions, _, blocks, hashes = await plan(old, new, blocksize)
    random.shuffle(blocks)
    result = io.BytesIO()
    easy_patch(io.BytesIO(old), result, instructions, None, blocksize)
    for part in range(parts):
        easy_patch(io.BytesIO(old), result, None, blocks[part::parts], blocksize, verify=hashes)
    assert result.getvalue() == new


@given(pairs(), blocksizes)
async def test_only_blocks_that_the_old_file_lacks_are_missing(pair, blocksize):
    old, new = pair
    _, missing, blocks, _ = await plan(old, new, blocksize)
    starts = range(0, len(new), blocksize)
    assert missing == [
        number for number, at in enumerate(starts) if new[at : at + blocksize] not in old
    ]
    assert [number for number, _ in blocks] == missing


async def test_a_hashlist_survives_msgpack():
    msgpack = pytest.importorskip("msgpack")
    _, hashes = await hashlist(b"some new bytes", 4)
    sent = msgpack.unpackb(msgpack.packb(hashes), strict_map_key=False)
    delta = await zsync_delta(Awaited(b"new bytes"), sent, 4)
    assert delta == await zsync_delta(Awaited(b"new bytes"), hashes, 4)
    assert get_blueprint(sent, 4)[1] == [0, 1, 2, 3]


async def test_large_files_on_disk(tmp_path):
    old = bytes(range(251)) * 12_000 + bytes(500_000)
    new = bytes(300_000) + old[70_001:2_000_000] + b"between" + old[2_000_000:]
    (tmp_path / "new").write_bytes(new)
    (tmp_path / "old").write_bytes(old)
    async with aiofiles.open(tmp_path / "new", "rb") as file:
        num, hashes = await block_checksums(file)
    async with aiofiles.open(tmp_path / "old", "rb") as file:
        instructions, missing = get_blueprint(await zsync_delta(file, hashes), num)
    assert num == -(-len(new) // DEFAULT_BLOCKSIZE)
    assert len(missing) <= 4
    async with (
        aiofiles.open(tmp_path / "new", "rb") as patched,
        aiofiles.open(tmp_path / "old", "rb") as unpatched,
        aiofiles.open(tmp_path / "result", "wb") as result,
    ):
        blocks = await get_blocks_async(patched, missing)
        await easy_patch_async(unpatched, result, instructions, blocks)
    assert (tmp_path / "result").read_bytes() == new


class TestDefectsOfTheOriginal:
    """None of these may return."""

    async def test_two_equal_blocks_in_the_old_file(self):
        instructions, missing, _, _ = await plan(b"aaaaxaaaa", b"aaaabbbb", 4)
        assert (instructions[0], missing) == (0, [1])

    async def test_a_hashlist_is_used_twice(self):
        _, hashes = await hashlist(b"aaaabbbbcc", 4)
        before = copy.deepcopy(hashes)
        first = await zsync_delta(Awaited(b"aaaacc"), hashes, 4)
        second = await zsync_delta(Awaited(b"bbbb"), hashes, 4)
        assert hashes == before
        assert get_blueprint(first, 3)[1] == [1]
        assert get_blueprint(second, 3)[1] == [0, 2]

    async def test_one_local_block_serves_all_equal_blocks(self):
        instructions, missing, _, _ = await plan(b"xaaaa", b"aaaabbbbaaaaaaaa", 4)
        assert missing == [1]
        assert [instructions[number] for number in (0, 2, 3)] == [1, 1, 1]

    @pytest.mark.parametrize("old", [b"xxxcc", b"xxccxxxx", b"ccxxxx", b"cc", b"bbbbxcc"])
    async def test_a_short_tail_is_found_anywhere(self, old):
        instructions, missing, _, _ = await plan(old, b"aaaacc", 4)
        assert missing == [0]
        assert instructions[1] == (old.index(b"cc"), 2)

    @pytest.mark.parametrize("blocksize", [1, 64, 1 << 16, 1 << 20])
    async def test_weak_sums_are_bounded(self, blocksize):
        _, hashes = await hashlist(b"\xff" * max(blocksize, 1 << 12), blocksize)
        assert all(0 <= weak < 1 << 32 for weak in hashes)

    async def test_patching_a_longer_file_cuts_its_old_end(self, tmp_path):
        old, new = b"aaaabbbbccccdddd", b"aaaabbzz"
        instructions, _, blocks, _ = await plan(old, new, 4)
        (tmp_path / "result").write_bytes(b"what was there before, and is longer")
        async with aiofiles.open(tmp_path / "result", "r+b") as result:
            await easy_patch_async(Awaited(old), result, instructions, None, 4)
            await easy_patch_async(Awaited(old), result, None, blocks, 4)
        assert (tmp_path / "result").read_bytes() == new

    @pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
    async def test_blocks_in_any_buffer(self, kind):
        instructions, _, blocks, _ = await plan(b"", b"aaaabb", 4)
        result = io.BytesIO()
        given = [(number, kind(block)) for number, block in blocks]
        easy_patch(io.BytesIO(), result, instructions, given, 4)
        assert result.getvalue() == b"aaaabb"

    @pytest.mark.parametrize("blocksize", range(1, 9))
    async def test_small_blocksizes(self, blocksize):
        old, new = b"the quick brown fox jumps", b"the slow brown fox jumped, quick"
        instructions, _, blocks, _ = await plan(old, new, blocksize)
        result = io.BytesIO()
        easy_patch(io.BytesIO(old), result, instructions, blocks, blocksize)
        assert result.getvalue() == new

    async def test_blocks_outlive_the_file_they_were_read_from(self):
        file = io.BytesIO(b"aaaabbbbcc")
        with file:
            blocks = get_blocks(file, [0, 2], 4)
        assert file.closed
        assert list(blocks) == list(blocks) == [(0, b"aaaa"), (2, b"cc")]

    async def test_a_wrong_block_is_noticed(self):
        instructions, _, _, hashes = await plan(b"", b"aaaabbbb", 4)
        with pytest.raises(WrongBlock):
            easy_patch(io.BytesIO(), io.BytesIO(), instructions, [(0, b"aaaX")], 4)
        with pytest.raises(WrongBlock):
            easy_patch(io.BytesIO(), io.BytesIO(), None, [(1, b"aaaa")], 4, verify=hashes)
        with pytest.raises(UnknownBlock):
            easy_patch(io.BytesIO(), io.BytesIO(), instructions, [(2, b"cccc")], 4)

    async def test_a_missing_block_is_noticed(self):
        instructions, _, blocks, hashes = await plan(b"", b"aaaabbbbcc", 4)
        result = io.BytesIO()
        easy_patch(io.BytesIO(), result, instructions, [blocks[0], blocks[2]], 4)
        with pytest.raises(PatchMismatch) as caught:
            verify_patch(result, hashes, 4)
        assert caught.value.numbers == (1,)
        again = get_blocks(io.BytesIO(b"aaaabbbbcc"), caught.value.numbers, 4)
        easy_patch(io.BytesIO(), result, None, again, 4)
        verify_patch(result, hashes, 4)

    async def test_missing_numbers_ascend(self):
        new = b"".join(n.to_bytes(2, "big") * 2 for n in range(3000))
        _, missing, _, _ = await plan(b"", new, 4)
        assert missing == list(range(3000))
