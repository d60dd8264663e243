import asyncio
import os
import random
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from protocol import runs
from protocol.codec import decode_frame
from protocol.errors import Code
from protocol.limits import MAX_FRAME, MAX_PAYLOAD
from protocol.messages import (
    BlockQuery,
    Blocks,
    Coding,
    Delta,
    DeltaQuery,
    Failed,
    Hashlist,
    HashQuery,
    Published,
    PublishedQuery,
)
from pyzsync.grid import KEPT_WIDTH, LEAF, WINDOW, strong_width
from pyzsync.hashes import Hashes
from pyzsync_daemon.compression import decompress
from pyzsync_daemon.hub.frames import FrameCache, keep_answers
from pyzsync_daemon.hub.source import RETRY_MS, BlockSource

NOISE = random.Random(11)
TEXT = b"".join(
    b"%07d: a line of text\n" % i for i in range(3600)
)  # 169 leaves, the last one short
EVERY_OTHER = [(leaf, leaf + 1) for leaf in range(0, 4096, 2)]


@pytest.fixture
def stale():
    return []


@pytest.fixture
def source(disk, stale):
    return BlockSource(disk.root, disk.index, disk.store, keep_answers(1 << 20), stale.append)


def ask(source, query):
    """The one message that answers, and whether it may be kept."""
    answer = source.answer(query)
    (message,) = decode_frame(b"".join(answer.frames))
    return message, answer.lasting


def fetch(source, query):
    """The parts, and the bytes that they decode to."""
    answer = source.answer(query)
    assert all(len(frame) <= MAX_FRAME for frame in answer.frames)
    parts = [message for frame in answer.frames for message in decode_frame(frame)]
    assert [(part.part, part.parts) for part in parts] == [
        (i, len(parts)) for i in range(len(parts))
    ]
    assert len({(part.query, part.coding, part.size, part.gone) for part in parts}) == 1
    data = decompress(parts[0].coding, [part.data for part in parts], parts[0].size)
    return parts, data


def blocks(tree, *asked, window=0):
    return BlockQuery(tree.version, window, runs.encode(asked))


def hashes(tree, level, *asked, window=0, since=b""):
    return HashQuery(tree.version, level, window, runs.encode(asked), since)


# --- block sets ----------------------------------------------------------------------------------


def test_text_travels_compressed(disk, source):
    tree = disk.publish("a", TEXT)
    query = blocks(tree, (0, 2), (50, 169))
    parts, data = fetch(source, query)
    assert data == TEXT[: 2 * LEAF] + TEXT[50 * LEAF :]
    assert (len(parts), parts[0].query, parts[0].coding) == (1, query, Coding.ZSTD)
    assert len(parts[0].data) < len(data) // 4
    assert source.answer(query).lasting


def test_noise_travels_raw_and_in_parts_that_fit_a_frame(disk, source):
    data = NOISE.randbytes(WINDOW)
    tree = disk.publish("a", data)
    parts, received = fetch(source, blocks(tree, (0, 4096)))
    assert received == data
    assert parts[0].coding is Coding.RAW
    assert len(parts) == -(-WINDOW // MAX_PAYLOAD)
    assert source.leaves.reads.count == 1


def test_the_longest_run_sets_still_fit_a_frame(disk, source):
    data = NOISE.randbytes(WINDOW)
    tree = disk.publish("a", data)
    os.truncate(disk.path / "a", WINDOW // 2)
    parts, received = fetch(source, blocks(tree, *EVERY_OTHER))
    held = [(start, stop) for start, stop in EVERY_OTHER if start < 2048]
    assert received == b"".join(data[start * LEAF : stop * LEAF] for start, stop in held)
    assert runs.decode(parts[0].gone) == EVERY_OTHER[len(held) :]


def test_gone_leaves_are_named_and_the_answer_is_for_the_moment(disk, source, stale):
    tree = disk.publish("a", TEXT)
    (disk.path / "a").write_bytes(b"X" + TEXT[1:])
    query = blocks(tree, (0, 3))
    parts, data = fetch(source, query)
    assert (data, runs.decode(parts[0].gone)) == (TEXT[LEAF : 3 * LEAF], [(0, 1)])
    assert not source.answer(query).lasting
    assert stale[0] == "a"


def test_all_gone_is_an_empty_answer(disk, source, stale):
    tree = disk.publish("a", TEXT)
    (disk.path / "a").unlink()
    query = blocks(tree, (1, 3))
    message, lasting = ask(source, query)
    assert message == Blocks(query, 0, 1, Coding.RAW, 0, query.leaves, b"")
    assert not lasting
    assert stale == ["a"]


@pytest.mark.parametrize(
    ("window", "asked", "code"),
    [(0, (168, 170), Code.BAD_MESSAGE), (1, (0, 1), Code.BAD_MESSAGE)],
    ids=["leaf", "window"],
)
def test_leaves_beyond_the_end_are_refused(disk, source, window, asked, code):
    query = blocks(disk.publish("a", TEXT), asked, window=window)
    assert ask(source, query) == (Failed(query, code), False)
    assert source.leaves.reads.count == 0


def test_an_unknown_version_is_refused(source):
    for query in (BlockQuery(bytes(32), 0, b"\0\1"), HashQuery(bytes(32), 0, 0, b"\0\1")):
        assert ask(source, query) == (Failed(query, Code.UNKNOWN_VERSION), False)


def test_a_failing_disk_is_a_failed_answer_with_advice(disk, source, monkeypatch):
    query = blocks(disk.publish("a", TEXT), (0, 1))

    def pread(fd, size, offset):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "pread", pread)
    assert ask(source, query) == (Failed(query, Code.INTERNAL, RETRY_MS), False)


# --- hashlists -----------------------------------------------------------------------------------


def columns(tree, level, *rows):
    chosen = tree.hashes(level).take(list(rows)).cut(strong_width(tree.length))
    return chosen.weak_bytes(), chosen.strong_bytes()


@pytest.mark.parametrize("level", [0, 1, 2, 4])
def test_any_kept_level_is_a_hashlist(disk, source, level):
    tree = disk.publish("a", TEXT)
    count = len(tree.hashes(level))
    query = hashes(tree, level, (0, count))
    message, lasting = ask(source, query)
    width = strong_width(len(TEXT))
    assert message == Hashlist(query, width, *columns(tree, level, *range(count)))
    assert len(message.strong) == count * width
    assert lasting
    assert source.leaves.reads.count == 0


def test_some_nodes_of_a_later_window(disk, source):
    data = NOISE.randbytes(WINDOW + 5 * LEAF)
    tree = disk.publish("a", data)
    message, _ = ask(source, hashes(tree, 0, (1, 2), (4, 5), window=1))
    assert (message.weak, message.strong) == columns(tree, 0, 4097, 4100)


def test_a_whole_window_of_hashes_fits_a_frame(disk, source):
    tree = disk.publish("a", NOISE.randbytes(WINDOW))
    message, _ = ask(source, hashes(tree, 0, (0, 4096)))
    assert len(Hashes.from_bytes(message.weak, message.strong, message.width)) == 4096


def test_a_hashlist_that_fits_no_frame_is_refused(disk, source, monkeypatch):
    monkeypatch.setattr("pyzsync_daemon.hub.hashlists.strong_width", lambda length: KEPT_WIDTH)
    query = hashes(disk.publish("a", NOISE.randbytes(WINDOW)), 0, (0, 4096))
    assert ask(source, query) == (Failed(query, Code.TOO_LARGE), False)


def test_incremental_lists_only_what_differs(disk, source):
    old = disk.publish("a", TEXT)
    new = disk.publish("a", TEXT[: 7 * LEAF] + b"!" + TEXT[7 * LEAF + 1 :] + b"more")
    message, lasting = ask(source, hashes(new, 0, (0, 169), since=old.version))
    assert message.query == hashes(new, 0, (7, 8), (168, 169), since=old.version)
    assert (message.weak, message.strong) == columns(new, 0, 7, 168)
    assert lasting
    message, _ = ask(source, hashes(new, 0, (0, 7), (168, 169), since=old.version))
    assert message.query.nodes == runs.encode([(168, 169)])


def test_incremental_with_nothing_different_lists_nothing(disk, source):
    old = disk.publish("a", TEXT)
    new = disk.publish("b", TEXT + bytes(WINDOW))
    message, _ = ask(source, hashes(new, 0, (0, 100), since=old.version))
    assert (message.query.nodes, message.weak, message.strong) == (b"", b"", b"")


def test_nodes_that_the_older_version_has_not_got_differ(disk, source):
    old = disk.publish("a", TEXT)
    new = disk.publish("a", TEXT + bytes(2 * WINDOW))
    query = hashes(new, 0, (0, 4096), window=1, since=old.version)
    message, _ = ask(source, query)
    assert message.query == query


def test_incremental_against_an_unknown_or_coarser_tree_is_refused(disk, source):
    coarse = disk.publish("a", TEXT, base=2)
    new = disk.publish("a", TEXT + b"more")
    for since in (bytes(32), coarse.version):
        query = hashes(new, 0, (0, 1), since=since)
        assert ask(source, query) == (Failed(query, Code.UNKNOWN_VERSION), False)


@pytest.mark.parametrize(
    ("level", "window", "asked"),
    [(0, 0, (0, 1)), (5, 0, (0, 1)), (1, 1, (0, 1)), (1, 0, (42, 44)), (4, 0, (1, 2))],
    ids=["too fine", "too coarse", "window", "node", "above the top"],
)
def test_hashes_that_are_not_there_are_refused(disk, source, level, window, asked):
    tree = disk.publish("a", TEXT, base=1)
    query = hashes(tree, level, asked, window=window)
    assert ask(source, query) == (Failed(query, Code.BAD_MESSAGE), False)


# --- the rest ------------------------------------------------------------------------------------


def test_a_delta(disk, source):
    query = DeltaQuery(disk.publish("a", TEXT).version, disk.publish("a", TEXT + b"more").version)
    delta, lasting = ask(source, query)
    assert isinstance(delta, Delta)
    assert delta.query == query
    assert lasting


def test_without_the_old_tree_there_is_no_delta_for_now(disk, source):
    query = DeltaQuery(bytes(32), disk.publish("a", TEXT).version)
    assert ask(source, query) == (Failed(query, Code.NO_DELTA), False)


def test_that_two_versions_have_nothing_in_common_is_searched_once(disk, source):
    versions = [disk.publish("a", NOISE.randbytes(5000)).version for _ in range(2)]
    query = DeltaQuery(*versions)
    assert ask(source, query) == (Failed(query, Code.NO_DELTA), True)


def test_a_delta_of_a_file_that_has_moved_on(disk, source, stale):
    query = DeltaQuery(disk.publish("a", TEXT).version, disk.publish("a", TEXT + b"more").version)
    (disk.path / "a").write_bytes(b"newer")
    assert ask(source, query) == (Failed(query, Code.GONE), False)
    assert stale == ["a"]


async def test_a_thousand_clients_one_version_behind_cost_one_search(disk, source):
    query = DeltaQuery(disk.publish("a", TEXT).version, disk.publish("a", TEXT + b"more").version)
    with ThreadPoolExecutor(2) as executor:
        cache = FrameCache(keep_answers(1 << 20), executor, source.answers)
        answers = await asyncio.gather(*(cache.get(query) for _ in range(1000)))
    assert source.deltas.searched.count == 1
    assert all(answer is answers[0] for answer in answers)


async def test_the_rest_of_a_delta_after_a_cut(disk, source):
    old = NOISE.randbytes(400_000)
    new = NOISE.randbytes(200_000) + old[200_000:]
    query = DeltaQuery(disk.publish("a", old).version, disk.publish("a", new).version)
    with ThreadPoolExecutor(2) as executor:
        cache = FrameCache(keep_answers(1 << 20), executor, source.answers)
        whole = await cache.get(query)
        assert len(whole) == 4
        assert await cache.get(replace(query, first=3)) == whole[3:]
        assert await cache.get(replace(query, first=4)) == whole  # it was coded otherwise
    assert source.deltas.searched.count == 1


def test_published_is_an_answer_for_the_moment(disk, source):
    old = disk.publish("a", TEXT)
    disk.publish("a", TEXT + b"more")
    for path, version, known in (
        ("a", old.version, True),
        ("b", old.version, False),
        ("a", bytes(32), False),
    ):
        query = PublishedQuery(path, version)
        assert ask(source, query) == (Published(query, known), False)


async def test_a_thousand_equal_requests_read_the_disk_once(disk, source):
    tree = disk.publish("a", TEXT)
    with ThreadPoolExecutor(2) as executor:
        cache = FrameCache(keep_answers(1 << 20), executor, source.answers)
        query = blocks(tree, (0, 169))
        answers = await asyncio.gather(*(cache.get(query) for _ in range(1000)))
        assert await cache.get(query) is answers[0]
    assert source.leaves.reads.count == 1
    assert source.leaves.reads.bytes == len(TEXT)
    assert all(answer is answers[0] for answer in answers)


def test_a_lost_tree_of_a_live_file_is_made_again(disk):
    stale = []
    source = BlockSource(disk.root, disk.index, disk.store, keep_answers(1 << 20), stale.append)
    tree = disk.publish("a", TEXT)
    disk.store.drop(tree.version)
    for query in (blocks(tree, (0, 1)), hashes(tree, 0, (0, 1))):
        assert ask(source, query) == (Failed(query, Code.BUSY, RETRY_MS), False)
    assert stale == ["a", "a"]


def test_several_answers_at_once_are_those_that_each_would_get(disk, source, stale):
    trees = [disk.publish(str(number), TEXT[number:9000]) for number in range(3)]
    queries = [
        blocks(trees[0], (0, 18)),
        hashes(trees[1], 0, (0, 18)),
        blocks(trees[1], (3, 5)),
        blocks(trees[2], (0, 18)),
        blocks(trees[2], (0, 18), window=5),
        PublishedQuery("0", trees[0].version),
    ]
    (disk.path / "2").write_bytes(b"other")
    alone = [source.answer(each) for each in queries]
    before = source.leaves.reads.count, source.encoded
    assert source.answers(queries) == alone
    # One whole file, and the one that has gone: by its version, and then leaf by leaf.
    assert source.leaves.reads.count - before[0] <= 4
    assert source.encoded - before[1] == 3
    assert set(stale) == {"2"}
