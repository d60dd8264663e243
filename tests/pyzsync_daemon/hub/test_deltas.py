import io
import random

import pytest

from protocol.codec import decode_frame
from protocol.errors import Code, ProtocolError
from protocol.limits import MAX_FRAME, MAX_PAYLOAD
from protocol.messages import DeltaQuery
from pyzsync.grid import LEAF, WINDOW
from pyzsync.steps import HEADER_SIZE, columns_size, decode_steps
from pyzsync_daemon.compression import decompress
from pyzsync_daemon.hub.deltas import ASKED, Bounds, DeltaMaker
from pyzsync_daemon.hub.frames import Answer, keep_answers
from pyzsync_daemon.hub.leafcache import LeafCache
from pyzsync_daemon.hub.leaves import LeafReader


@pytest.fixture
def leaves(disk):
    return LeafCache(LeafReader(disk.root, disk.index, lambda path: None))


@pytest.fixture
def maker(disk, leaves):
    return DeltaMaker(disk.store, leaves, keep_answers(1 << 20))


def noise(size, seed=0):
    return random.Random(seed).randbytes(size)


def applied(frames, old, length):
    """What a client makes of the parts."""
    parts = [message for frame in frames for message in decode_frame(frame)]
    assert all(len(frame) <= MAX_FRAME for frame in frames)
    assert [part.part for part in parts] == list(range(parts[0].parts))
    data = [part.data for part in parts]
    stream = io.BytesIO(decompress(parts[0].coding, data, parts[0].size))
    header = stream.read(HEADER_SIZE)
    steps = decode_steps(header, stream.read(columns_size(header)), len(old), length)
    made = b""
    columns = (steps.source.tolist(), steps.copied.tolist(), steps.literal.tolist())
    for source, copied, literal in zip(*columns, strict=True):
        made += old[source : source + copied] + stream.read(literal)
    assert stream.read() == b""
    return made


def publish(disk, *contents):
    return DeltaQuery(*(disk.publish("a", data).version for data in contents))


def test_a_delta_needs_the_old_tree_and_the_changed_leaves(disk, leaves, maker):
    old = noise(2 * WINDOW)
    new = old[:999_999] + b"!" + old[1_000_000:]
    frames = maker.make(publish(disk, old, new))
    assert applied(frames, old, len(new)) == new
    assert sum(map(len, frames)) < LEAF + 150
    assert leaves.reads.bytes == LEAF  # searched and sent, and read once


def test_large_deltas_come_in_parts(disk, maker):
    old = noise(500_000)
    new = noise(200_000, 1) + old[200_000:]
    frames = maker.make(publish(disk, old, new))
    assert len(frames) == -(-200_000 // MAX_PAYLOAD)
    assert applied(frames, old, len(new)) == new


def test_it_is_a_function_of_the_two_versions_and_made_once(disk, leaves, maker):
    query = publish(disk, noise(90_000), noise(50_000) + noise(30_000, 1))
    assert maker.known(query) == ()
    made = maker.make(query)
    assert maker.make(query) is maker.known(query) is made
    assert (maker.searched.count, maker.encoded.count) == (1, 1)
    other = DeltaMaker(disk.store, leaves, keep_answers(1 << 20))
    assert other.make(query) == made


def test_that_there_is_none_is_not_taken_for_one(disk, leaves):
    kept = keep_answers(1 << 20)
    query = publish(disk, noise(5000), noise(5000, 1))
    kept.put(query, Answer((b"no",), refusal=True))
    maker = DeltaMaker(disk.store, leaves, kept)
    assert maker.known(query) == ()
    assert maker.make(query) is None


@pytest.mark.parametrize(
    "bounds",
    [
        Bounds(length=89_999, literal=10**9, searched=10**9, coded=10**9),
        Bounds(length=10**9, literal=39_000, searched=10**9, coded=10**9),
        Bounds(length=10**9, literal=10**9, searched=39_000, coded=10**9),
        Bounds(length=10**9, literal=10**9, searched=10**9, coded=39_000),
    ],
)
def test_beyond_the_bounds_there_is_none(disk, maker, bounds):
    query = publish(disk, noise(90_000), noise(50_000) + noise(40_000, 1))
    assert maker.make(query, bounds) is None
    assert maker.make(query, ASKED) is not None


def test_nothing_in_common(disk, maker):
    assert maker.make(publish(disk, noise(5000), noise(5000, 1))) is None


def test_both_trees_are_needed(disk, maker):
    query = publish(disk, noise(5000), noise(4000))
    for version in (query.old, query.new):
        tree = disk.store.load(version)
        disk.store.drop(version)
        with pytest.raises(ProtocolError) as caught:
            maker.make(query)
        assert caught.value.code is Code.NO_DELTA
        disk.store.save(tree)


def test_only_what_was_announced_is_sent(disk, maker):
    query = publish(disk, noise(5000), noise(4000) + b"new")
    (disk.path / "a").write_bytes(noise(4000) + b"NEW")
    with pytest.raises(ProtocolError) as caught:
        maker.make(query)
    assert caught.value.code is Code.GONE
