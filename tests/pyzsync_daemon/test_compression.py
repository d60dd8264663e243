import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.messages import Coding
from pyzsync_daemon import compression
from pyzsync_daemon.compression import (
    CodedDataError,
    CodedFormatError,
    CodedSizeError,
    Deflater,
    Inflater,
    compress,
    decompress,
    zstd,
)

TEXT = b"one line of text after another\n" * 400


def pieces(data, size):
    return [data[i : i + size] for i in range(0, len(data), size)]


@given(st.binary(max_size=3000), st.integers(1, 500))
def test_what_is_compressed_comes_back_whatever_the_parts(data, size):
    coding, coded = compress(data)
    assert decompress(coding, pieces(coded, size), len(data)) == data


def test_compresses_when_it_pays():
    coding, coded = compress(TEXT)
    assert coding is Coding.ZSTD
    assert len(coded) < len(TEXT) // 50


def test_leaves_raw_what_does_not_pay():
    noise = random.Random(1).randbytes(20_000)
    assert compress(noise) == (Coding.RAW, noise)
    assert compress(b"") == (Coding.RAW, b"")


def test_two_percent_saved_is_not_worth_it():
    saves_two_percent = random.Random(2).randbytes(98_000) + bytes(2_000)
    assert len(zstd.compress(saves_two_percent, 3)) < len(saves_two_percent)
    assert compress(saves_two_percent)[0] is Coding.RAW


@pytest.mark.parametrize("coding", Coding)
@pytest.mark.parametrize("off", [-1, 1, -len(TEXT)])
def test_another_size_than_announced_is_an_error(coding, off):
    coded = TEXT if coding is Coding.RAW else zstd.compress(TEXT)
    with pytest.raises(CodedSizeError):
        decompress(coding, [coded], len(TEXT) + off)


def test_a_bomb_is_stopped_at_the_bound(monkeypatch):
    held = []
    real = zstd.ZstdDecompressor

    class Counting:
        def __init__(self, **kwargs):
            self.frame = real(**kwargs)

        def decompress(self, data, room):
            held.append(len(out := self.frame.decompress(data, room)))
            return out

        def __getattr__(self, name):
            return getattr(self.frame, name)

    monkeypatch.setattr(compression.zstd, "ZstdDecompressor", Counting)
    bomb = zstd.compress(bytes(64 << 20))
    with pytest.raises(CodedSizeError):
        decompress(Coding.ZSTD, pieces(bomb, 100), 1000)
    assert sum(held) == 1001


def test_a_frame_that_asks_for_a_huge_window_is_refused():
    greedy = zstd.compress(bytes(1 << 26), options={zstd.CompressionParameter.window_log: 26})
    with pytest.raises(CodedFormatError):
        decompress(Coding.ZSTD, [greedy], 1 << 26)


@pytest.mark.parametrize(
    "damage",
    [
        lambda coded: [coded[:-1]],
        lambda coded: [],
        lambda coded: [coded + b"x"],
        lambda coded: [coded, b"x"],
        lambda coded: [b"junk" + coded],
        lambda coded: [coded, coded],
    ],
    ids=["cut", "nothing", "trailing", "a part too many", "junk", "twice"],
)
def test_anything_but_one_whole_frame_is_an_error(damage):
    with pytest.raises(CodedFormatError):
        decompress(Coding.ZSTD, damage(zstd.compress(TEXT)), len(TEXT))


def test_errors_say_what_was_expected():
    assert str(CodedSizeError(5, 6)) == "coded data holds more than the announced 5 bytes"
    assert str(CodedSizeError(5, 3)) == "coded data holds 3 bytes instead of the announced 5"
    assert str(CodedFormatError("it ends early")) == (
        "coded data is not one whole zstd frame: it ends early"
    )
    assert issubclass(CodedSizeError, CodedDataError)
    assert issubclass(CodedFormatError, CodedDataError)


# --- piece by piece ------------------------------------------------------------------------------


def inflate(coding, parts, size):
    inflater = Inflater(coding, size)
    data = b"".join(piece for part in parts for piece in inflater.put(part))
    inflater.finish()
    return data


@given(st.binary(max_size=3000), st.integers(1, 500), st.integers(1, 200))
def test_what_goes_in_by_pieces_comes_out_by_pieces(data, size, part):
    deflater = Deflater(len(data))
    for piece in pieces(data, size):
        deflater.put(piece)
    coded = deflater.finish()
    assert inflate(Coding.ZSTD, pieces(coded, part), len(data)) == data


@pytest.mark.parametrize("given", [b"ab", b"abcd"])
def test_another_number_of_bytes_than_was_said_is_no_frame(given):
    deflater = Deflater(3)
    with pytest.raises(zstd.ZstdError):
        deflater.put(given)
        deflater.finish()


def test_raw_parts_are_handed_through():
    assert inflate(Coding.RAW, [b"abc", b"", b"def"], 6) == b"abcdef"


def test_a_bomb_is_unpacked_piece_by_piece_and_not_beyond_its_size():
    bomb = zstd.compress(bytes(50 << 20), 1)
    sizes = []
    with pytest.raises(CodedSizeError):
        for piece in Inflater(Coding.ZSTD, 1 << 20).put(bomb):
            sizes.append(len(piece))
    assert max(sizes) <= 1 << 18
    assert sum(sizes) <= 1 << 20


@pytest.mark.parametrize(
    ("parts", "size", "error"),
    [
        ([zstd.compress(b"abcdef")], 5, CodedSizeError),
        ([zstd.compress(b"abcdef")], 7, CodedSizeError),
        ([zstd.compress(b"abcdef")[:-1]], 6, CodedFormatError),
        ([zstd.compress(b"abcdef") + b"x"], 6, CodedFormatError),
        ([zstd.compress(b"abcdef"), b"x"], 6, CodedFormatError),
        ([b"what is this"], 6, CodedFormatError),
        ([b"abcdef"], 6, CodedFormatError),
    ],
)
def test_parts_that_are_not_what_was_announced(parts, size, error):
    with pytest.raises(error):
        inflate(Coding.ZSTD, parts, size)


@pytest.mark.parametrize("size", [5, 7])
def test_raw_parts_of_another_size(size):
    with pytest.raises(CodedSizeError):
        inflate(Coding.RAW, [b"abcdef"], size)


def test_a_thread_codes_one_after_the_other_as_each_by_itself():
    for data in (TEXT, TEXT[:100], TEXT * 30, TEXT[7:]):
        assert compress(data) == (Coding.ZSTD, zstd.compress(data, compression.LEVEL))
