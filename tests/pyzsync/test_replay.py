import numpy as np
import pytest

from pyzsync import BadDelta, VersionMismatch, hash_stream
from pyzsync.grid import WINDOW
from pyzsync.replay import Replay
from pyzsync.steps import Steps


def version_of(data):
    at = 0

    def read(size):
        nonlocal at
        at += size
        return data[at - size : at]

    return hash_stream(read, len(data)).version


class Bench:
    """A staging file in memory, and what was done to it."""

    def __init__(self, old, length):
        self.old, self.staged = old, bytearray(length)
        self.copies, self.writes, self.reads = [], [], []

    def copy(self, source, offset, size):
        self.copies.append((source, offset, size))
        self.staged[offset : offset + size] = self.old[source : source + size]

    def read(self, offset, size):
        self.reads.append((offset, size))
        return bytes(self.staged[offset : offset + size])

    def write(self, offset, data):
        self.writes.append((offset, len(data)))
        self.staged[offset : offset + len(data)] = data

    def replay(self, *steps):
        columns = Steps(*(np.array(column, dtype=np.int64) for column in zip(*steps, strict=True)))
        return Replay(
            columns,
            len(self.staged),
            self.copy,
            lambda source, size: self.old[source : source + size],
            self.read,
            self.write,
        )


def noise(size, seed=0):
    return np.random.default_rng(seed).bytes(size)


def run(replay, version, *literals):
    for literal in literals or [b""]:
        replay.feed(literal)
    return replay.finish(version)


def test_long_copies_go_directly_and_short_ones_with_their_literals():
    old, literal = noise(3 * WINDOW), noise(30, 1)
    new = old[100:1100] + literal[:20] + old[5000 : 5000 + 2 * WINDOW] + literal[20:]
    bench = Bench(old, len(new))
    tree = run(bench.replay((100, 1000, 20), (5000, 2 * WINDOW, 10)), version_of(new), literal)
    assert bytes(bench.staged) == new
    assert tree.version == version_of(new)
    assert bench.copies == [
        (5000, 1020, WINDOW - 1020),
        (5000 + WINDOW - 1020, WINDOW, WINDOW),
    ]
    assert bench.writes == [(0, 1020), (2 * WINDOW, 1030)]


def test_every_window_is_read_back_once():
    old = noise(2 * WINDOW + 5)
    bench = Bench(old, len(old))
    run(bench.replay((0, len(old), 0)), version_of(old))
    assert bench.reads == [(0, WINDOW), (WINDOW, WINDOW), (2 * WINDOW, 5)]


def test_what_was_copied_is_believed_only_from_staging():
    old = noise(1000)
    bench = Bench(old, len(old))
    bench.write = lambda offset, data: Bench.write(bench, offset, b"?" + data[1:])
    with pytest.raises(VersionMismatch):
        run(bench.replay((0, 1000, 0)), version_of(old))


def test_old_bytes_that_have_gone_make_another_version():
    bench = Bench(noise(500), 1000)
    with pytest.raises(VersionMismatch):
        run(bench.replay((0, 1000, 0)), version_of(noise(1000)))


def test_the_staging_file_may_have_shrunk():
    old = noise(1000)
    bench = Bench(old, len(old))
    bench.read = lambda offset, size: old[: size - 1]
    with pytest.raises(VersionMismatch):
        run(bench.replay((0, 1000, 0)), version_of(old))


def test_literals_may_come_in_any_pieces_and_what_has_come_is_staged():
    old, literal = noise(1000), noise(60, 1)
    new = literal[:25] + old[:500] + literal[25:50] + old[700:900] + literal[50:]
    bench = Bench(old, len(new))
    replay = bench.replay((0, 0, 25), (0, 500, 25), (700, 200, 10))
    for start, stop in [(0, 20), (20, 35), (35, 55)]:
        replay.feed(literal[start:stop])
        upto = {20: 20, 35: 535, 55: 755}[stop]
        assert bytes(bench.staged[:upto]) == new[:upto]
    with pytest.raises(BadDelta, match="ended early"):
        replay.finish(version_of(new))
    replay.feed(literal[55:])
    assert replay.finish(version_of(new)).length == len(new)
    with pytest.raises(BadDelta, match="more literal bytes"):
        replay.feed(b"x")
