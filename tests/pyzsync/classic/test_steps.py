import io

import pytest

from pyzsync.classic.steps import CHUNK, read_at, run, run_async, write_at
from tests.pyzsync.classic.support import Awaited, Counted


def test_reads_at_an_offset():
    assert run(read_at(io.BytesIO(b"0123456789"), 3, 4)) == b"3456"
    assert run(read_at(io.BytesIO(b"0123456789"), 8, 4)) == b"89"
    assert run(read_at(io.BytesIO(b"0123456789"), 20, 4)) == b""


async def test_a_read_that_returns_less_is_carried_on():
    assert await run_async(read_at(Awaited(b"0123456789", most=3), 1, 8)) == b"12345678"


def test_a_read_asks_for_a_chunk_at_most():
    file = Counted(bytes(CHUNK + 5))
    assert len(run(read_at(file, 0, CHUNK + 5))) == CHUNK + 5
    assert file.reads == [CHUNK, 5]


async def test_writes_at_an_offset():
    plain, awaited = io.BytesIO(b"abcdef"), Awaited(b"abcdef")
    run(write_at(plain, 2, b"XY"))
    await run_async(write_at(awaited, 2, b"XY"))
    assert plain.getvalue() == awaited.getvalue() == b"abXYef"


def test_an_error_of_the_file_comes_through():
    file = io.BytesIO()
    file.close()
    with pytest.raises(ValueError, match="closed file"):
        run(read_at(file, 0, 1))
