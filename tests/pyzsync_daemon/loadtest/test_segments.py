import random

import pytest

from pyzsync_daemon.loadtest.segments import Segments, same


def test_it_begins_as_zeros():
    made = Segments(200_000)
    assert made.read(0, 300_000) == bytes(200_000)
    assert Segments(0).read(0, 10) == b""
    assert Segments(0).count == 0


def test_any_puts_read_like_a_bytearray():
    draw = random.Random(1)
    sources = [draw.randbytes(1000) for _ in range(3)]
    made, model = Segments(1000), bytearray(1000)
    for _ in range(300):
        source = draw.choice([*sources, None])
        size = draw.randrange(1, 200)
        offset, start = draw.randrange(1001 - size), draw.randrange(1001 - size)
        made.put(offset, source, start, size)
        model[offset : offset + size] = source[start : start + size] if source else bytes(size)
        first = draw.randrange(1000)
        assert made.read(first, 77) == model[first : first + 77]
    assert made.read(0, 1000) == model
    assert made.first_difference(bytes(model)) is None


def test_pieces_that_go_on_in_one_buffer_become_one():
    data = bytes(range(100))
    made = Segments(100)
    for at in range(0, 100, 10):
        made.put(at, data, at, 10)
    assert made.count == 1


def test_a_copy_shares_what_it_can_and_ends_with_the_source():
    old = Segments.of(b"0123456789")
    new = Segments(20)
    assert new.copy(5, old, 4, 100) == 6
    assert new.read(0, 20) == bytes(5) + b"456789" + bytes(9)


@pytest.mark.parametrize(("offset", "size"), [(-1, 5), (6, 5), (11, 1)])
def test_nothing_is_put_outside(offset, size):
    with pytest.raises(ValueError, match="is outside 10 bytes"):
        Segments(10).put(offset, b"x" * 10, 0, size)


def test_the_first_difference_is_named():
    data = random.Random(2).randbytes(700_000)
    wrong = bytearray(data)
    wrong[654_321] ^= 1
    assert Segments.of(data).first_difference(data) is None
    assert Segments.of(data).first_difference(memoryview(bytes(wrong))) == 654_321
    assert Segments.of(data).first_difference(data[:-1]) == len(data) - 1
    assert Segments.of(data).first_difference(data + b"x") == len(data)


def test_equal_bytes_are_equal_however_they_are_cut():
    data = random.Random(3).randbytes(1000)
    whole, cut = Segments.of(data), Segments(1000)
    for at in range(0, 1000, 100):
        cut.put(at, bytes(data[at : at + 100]), 0, 100)
    assert whole.equals(cut)
    assert cut.equals(cut)
    cut.put(500, b"\0" if data[500] else b"\1", 0, 1)
    assert not whole.equals(cut)
    assert not whole.equals(Segments.of(data[:-1]))


def test_large_buffers_are_compared_to_their_last_byte():
    data = bytes(600_000)
    assert same(data, memoryview(bytearray(data)))
    assert not same(data, data[:-1] + b"x")
