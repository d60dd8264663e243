import random
import tracemalloc
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol import codec, limits, runs
from protocol.codec import announce_frames, decode_frame, encode, gets, join
from protocol.errors import BadMessage, BadPath, Code, ProtocolError, TooLarge
from protocol.messages import (
    Ack,
    Announce,
    BlockQuery,
    Blocks,
    Change,
    Coding,
    Goodbye,
    Hashlist,
    HashQuery,
    Kind,
    Position,
)

from .strategies import changes, messages, positions, queries

V = 32 * b"v"


@given(messages)
@settings(max_examples=100)
def test_round_trip(message):
    encoded = encode(message)
    assert len(encoded) <= limits.MAX_FRAME
    assert decode_frame(encoded) == (message,)
    assert encode(decode_frame(encoded)[0]) == encoded


@given(st.lists(messages, min_size=1, max_size=6))
def test_join_keeps_order_and_bounds(said):
    frames = list(join(map(encode, said)))
    assert [message for frame in frames for message in decode_frame(frame)] == said


def test_join_fills_frames():
    big = encode(Goodbye(Code.NORMAL, "x" * 1000))
    frames = list(join([big] * 200))
    assert [len(frame) // len(big) for frame in frames] == [65, 65, 65, 5]
    assert [len(decode_frame(frame)) for frame in join([encode(Ack(1))] * 1030)] == [1024, 6]
    assert list(join([])) == []


# --- nothing but a message or a ProtocolError comes out ------------------------------------------


@given(st.binary(max_size=200))
@settings(max_examples=100)
def test_random_bytes(frame):
    with suppress(ProtocolError):
        assert decode_frame(frame)


@given(messages.map(encode), st.randoms(use_true_random=False))
@settings(max_examples=100)
def test_mutated_frames(frame, dice):
    mutant = bytearray(frame)
    for _ in range(dice.randint(1, 3)):
        mutate(mutant, dice)
    try:
        said = decode_frame(bytes(mutant))
    except ProtocolError:
        return
    # What was accepted is valid throughout: it can be said again and is understood alike.
    assert decode_frame(b"".join(map(encode, said))) == said


def mutate(frame: bytearray, dice: random.Random) -> None:
    at = dice.randrange(len(frame) or 1)
    match dice.randrange(4):
        case 0:
            frame[at : at + 1] = bytes([dice.randrange(256)])
        case 1:
            del frame[at : at + dice.randint(1, 5)]
        case 2:
            frame[at:at] = dice.randbytes(dice.randint(1, 5))
        case _:
            frame[at:at] = frame[: dice.randint(1, 9)]


values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.text()
    | st.binary(max_size=40) | st.sampled_from([V, 16 * b"e", b"\0\1", b"", 0, 1]),
    lambda inner: st.lists(inner, max_size=10) | st.dictionaries(st.text(), inner, max_size=2),
    max_leaves=12,
)  # fmt: skip


@given(st.integers(1, 11), st.lists(values, max_size=8))
@settings(max_examples=100)
def test_any_values_in_the_fields(number, fields):
    with suppress(ProtocolError):
        assert decode_frame(msgpack.packb([number, *fields]))


@pytest.mark.parametrize(
    ("frame", "why"),
    [
        (b"", "frame: is empty"),
        (encode(Ack(1))[:-1], "frame: ends inside a message"),
        (encode(Ack(1)) + b"\x92", "frame: ends inside a message"),
        (b"\xc1", "frame: is not msgpack within bounds"),
        (b"\xdd\x00\x00\x04\x01", "frame: is not msgpack within bounds"),
        (b"\x81\xa1a\x01", "frame: is not msgpack within bounds"),
        (b"\x91" * 5000, "frame: is not msgpack within bounds"),
        (b"\x92\x0a\xa2\xc3\x28", "frame: is not msgpack within bounds"),
        (b"\x92\x0a\xd4\x05\x00", "Ack.seq: "),
        (b"\x92\x0a\xd6\xff\x00\x00\x00\x00", "Ack.seq: "),
        (b"\x92\x0a\x80", "Ack.seq: dict of 0 is not a whole number"),
        (b"\x92\x0a\xff", "Ack.seq: -1 is not a whole number"),
        (b"\x92\x0a\xcf" + 8 * b"\xff", "Ack.seq: 18446744073709551615 is not a whole number"),
    ],
)
def test_bad_frames(frame, why):
    with pytest.raises(BadMessage) as caught:
        decode_frame(frame)
    assert caught.value.detail.startswith(why)


def test_a_path_out_of_the_root_has_its_own_code():
    frame = encode(Announce((Change(1, "../x", Kind.ABSENT),)))
    with pytest.raises(BadPath):
        decode_frame(frame)


def test_modes_are_masked_at_the_door():
    change = Change(1, "f", Kind.FILE, 0o4755, 0, 0, V)
    (announce,) = decode_frame(encode(Announce((change,))))
    assert announce.changes == (replace(change, mode=0o755),)


def test_a_goodbye_can_quote_anything():
    (goodbye,) = decode_frame(encode(Goodbye(Code.INTERNAL, "\x1b\udcff" + "é" * 2000)))
    assert goodbye.detail.startswith("??é")
    assert len(goodbye.detail.encode()) <= limits.MAX_TEXT


# --- bounds --------------------------------------------------------------------------------------


def test_a_frame_that_is_too_large():
    with pytest.raises(TooLarge, match="frame of 65537 is over the limit of 65536"):
        decode_frame(bytes(limits.MAX_FRAME + 1))
    query = HashQuery(V, 0, 0, runs.whole(4096))
    with pytest.raises(TooLarge, match="Hashlist of"):
        encode(Hashlist(query, 20, bytes(4 * 4096), bytes(20 * 4096)))


def test_a_frame_of_too_many_messages():
    with pytest.raises(TooLarge, match="frame of messages of 1025 is over the limit of 1024"):
        decode_frame(encode(Ack(1)) * 1025)


@pytest.mark.parametrize(
    "frame",
    [
        b"\xdc\x04\x00" * 21_845,  # arrays of 1024 items, each within the one before it
        b"\xdd\xff\xff\xff\xff" * 13_000,
        b"\xc6\xff\xff\xff\xff" + bytes(60_000),
        b"\xdb\xff\xff\xff\xff" + bytes(60_000),
        b"\xdf\xff\xff\xff\xff" * 13_000,
        b"\xc9\xff\xff\xff\xff\x05" + bytes(60_000),
        bytes(65_536),
        b"\x91" * 65_536,
        b"\xdc\x04\x00" + b"\x90" * 1024,
    ],
)
def test_a_lying_frame_claims_a_bounded_amount_of_memory(frame):
    tracemalloc.start()
    try:
        with pytest.raises(ProtocolError):
            decode_frame(frame)
        assert tracemalloc.get_traced_memory()[1] < 9 * 2**20
    finally:
        tracemalloc.stop()


def test_data_may_be_a_view_of_a_larger_run_of_bytes():
    data = bytes(limits.MAX_PAYLOAD)
    blocks = Blocks(
        BlockQuery(V, 0, runs.whole(4096)), 0, 38, Coding.RAW, limits.WINDOW, b"", memoryview(data)
    )
    encoded = encode(blocks)
    assert decode_frame(encoded)[0].data == data


# --- many changes, many queries ------------------------------------------------------------------


def seq_up(items):
    return [replace(item, seq=index + 1) for index, item in enumerate(items)]


@given(st.lists(changes(), max_size=12).map(seq_up), st.none() | positions, st.booleans())
def test_announce_frames_say_everything_once(items, position, snapshot):
    if position is not None:
        position = replace(position, seq=position.seq + len(items) & 2**63 - 1 or 2**63 - 1)
    frames = announce_frames(items, position, snapshot)
    said = [decode_frame(frame)[0] for frame in frames]
    assert [change for announce in said for change in announce.changes] == items
    assert bool(frames) == bool(items or position)
    assert all(announce.snapshot is snapshot for announce in said)
    assert all(announce.position is None for announce in said[:-1])
    if said:
        assert said[-1].position == position


@pytest.mark.parametrize("count", [15, 16, 17, 1024, 1025, 3000])
@pytest.mark.parametrize("name", ["n", "n" * 250, "/".join(["n" * 250] * 16)])
def test_announce_frames_are_full_but_not_too_full(count, name):
    position = Position(16 * b"e", count, V)
    items = [Change(seq, name, Kind.FILE, 0o644, 2**60, 5, V, "", V) for seq in range(1, count + 1)]
    frames = announce_frames(items, position)
    assert [c for f in frames for c in decode_frame(f)[0].changes] == items
    one = len(encode(Announce(items[-1:])))
    for frame in frames[:-1]:
        full = limits.MAX_FRAME - len(encode(Announce((), position))) - one
        assert len(frame) > full or len(decode_frame(frame)[0].changes) == limits.MAX_CHANGES


@given(st.lists(queries, max_size=8))
def test_gets_ask_everything_once(items):
    asked = [query for get in gets(items) for query in get.queries]
    assert asked == items
    assert all(decode_frame(encode(get)) == (get,) for get in gets(items))


def test_gets_are_bounded_by_count_and_size():
    small = [BlockQuery(V, window, runs.whole(1)) for window in range(300)]
    assert [len(get.queries) for get in gets(small)] == [256, 44]
    spread = runs.encode([(2 * n, 2 * n + 1) for n in range(2048)])
    large = [BlockQuery(V, window, spread) for window in range(31)]
    assert [len(get.queries) for get in gets(large)] == [15, 15, 1]
    assert all(len(encode(get)) <= limits.MAX_FRAME for get in gets(large))


def test_no_other_module_imports_msgpack():
    package = Path(codec.__file__).parent
    importers = {p.name for p in package.glob("*.py") if "import msgpack" in p.read_text()}
    assert importers == {"codec.py"}
