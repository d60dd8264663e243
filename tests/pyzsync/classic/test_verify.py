import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyzsync.classic.errors import PatchMismatch
from pyzsync.classic.steps import run
from pyzsync.classic.verify import check_file
from tests.pyzsync.classic.support import hashlist


@given(st.binary(max_size=60), st.binary(max_size=60), st.integers(1, 20))
async def test_only_the_very_file_passes(new, other, blocksize):
    _, hashes = await hashlist(new, blocksize)
    run(check_file(io.BytesIO(new), hashes, blocksize))
    if other != new:
        with pytest.raises(PatchMismatch):
            run(check_file(io.BytesIO(other), hashes, blocksize))


async def test_the_blocks_to_fetch_again_are_named():
    _, hashes = await hashlist(b"aaaabbbbccccdd", 4)
    with pytest.raises(PatchMismatch) as caught:
        run(check_file(io.BytesIO(b"aaaaBbbbcccc"), hashes, 4))
    assert (caught.value.numbers, caught.value.length, caught.value.expected) == ((1, 3), 12, 14)


async def test_bytes_behind_the_end_are_noticed():
    _, hashes = await hashlist(b"aaaabbbb", 4)
    with pytest.raises(PatchMismatch) as caught:
        run(check_file(io.BytesIO(b"aaaabbbb+"), hashes, 4))
    assert caught.value.numbers == ()


async def test_a_file_is_checked_from_its_beginning():
    _, hashes = await hashlist(b"aaaabbbb", 4)
    file = io.BytesIO(b"aaaabbbb")
    file.seek(5)
    run(check_file(file, hashes, 4))
