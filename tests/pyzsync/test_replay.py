import threading
from concurrent.futures import ThreadPoolExecutor

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

    def replay(self, *steps, executor=None):
        columns = Steps(*(np.array(column, dtype=np.int64) for column in zip(*steps, strict=True)))
        return Replay(
            columns,
            len(self.staged),
            self.copy,
            lambda source, size: self.old[source : source + size],
            self.read,
            self.write,
            executor,
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


def test_threads_hash_what_is_whole_with_the_same_result():
    old, literal = noise(12 * WINDOW), noise(50, 1)
    new = literal[:20] + old[: 10 * WINDOW] + literal[20:] + old[3:500]
    bench, threads = Bench(old, len(new)), set()

    def read(offset, size):
        threads.add(threading.current_thread())
        return Bench.read(bench, offset, size)

    bench.read = read
    with ThreadPoolExecutor(2) as pool:
        steps = ((0, 0, 20), (0, 10 * WINDOW, 30), (3, 497, 0))
        replay = bench.replay(*steps, executor=pool)
        for byte in range(0, 50, 10):
            replay.feed(literal[byte : byte + 10])
        tree = replay.finish(version_of(new))
    assert tree.version == version_of(new)
    assert bytes(bench.staged) == new
    assert len(bench.reads) == 11  # each window once
    assert threading.current_thread() not in threads


def test_nothing_reads_from_staging_any_more_when_it_has_failed():
    old = noise(8 * WINDOW)
    bench, reading = Bench(old, len(old)), []

    def refuse(offset, size):
        reading.append(offset)
        try:
            raise OSError(5, "Input/output error")
        finally:
            reading.remove(offset)

    bench.read = refuse
    with ThreadPoolExecutor(2) as pool:
        with pytest.raises(OSError, match="Input"):
            bench.replay((0, len(old), 0), executor=pool).feed(b"")
        assert reading == []


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
