import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from protocol import runs
from protocol.codec import decode_frame
from protocol.errors import Code
from protocol.messages import BlockQuery, DeltaQuery, Failed, HashQuery, PublishedQuery
from pyzsync.grid import LEAF
from pyzsync_daemon.hub.frames import ENTRY_OVERHEAD, SEARCHES, Answer, FrameCache, keep_answers
from pyzsync_daemon.hub.wholes import LITTLE


def query(number):
    return BlockQuery(version=number.to_bytes(32), window=0, leaves=b"\x00\x01")


class Source:
    """Answers 1000 bytes for each query; counts its calls; waits while the gate is closed."""

    def __init__(self):
        self.calls = []
        self.gate = threading.Event()
        self.gate.set()
        self.error = None
        self.lasting = True

    def __call__(self, queries):
        self.calls.append(queries)
        assert self.gate.wait(10)
        if self.error:
            raise self.error
        return [Answer((each.version, bytes(1000 - 32)), self.lasting) for each in queries]


@pytest.fixture
def source():
    return Source()


@pytest.fixture
def kept():
    return keep_answers(10 * (1000 + ENTRY_OVERHEAD))


@pytest.fixture
def cache(source, kept):
    with ThreadPoolExecutor(2) as executor:
        yield FrameCache(kept, executor, source)


async def turns():
    for _ in range(10):
        await asyncio.sleep(0)


async def test_a_thousand_equal_requests_in_flight_are_one_call(cache, source):
    source.gate.clear()
    waiters = [asyncio.create_task(cache.get(query(1))) for _ in range(1000)]
    await turns()
    source.gate.set()
    answers = await asyncio.gather(*waiters)
    assert len(source.calls) == 1
    assert all(answer is answers[0] for answer in answers)
    assert (cache.misses, cache.coalesced, cache.hits) == (1, 999, 0)


async def test_a_slow_delta_holds_up_no_other_answer(source):
    with ThreadPoolExecutor(1) as executor, ThreadPoolExecutor(1) as slow:
        cache = FrameCache(keep_answers(1 << 20), executor, source, slow)
        source.gate.clear()
        delta = asyncio.create_task(cache.get(DeltaQuery(bytes(32), 32 * b"1")))
        while not source.calls:  # noqa: ASYNC110 - a thread makes the call
            await asyncio.sleep(0)
        gate, source.gate = source.gate, threading.Event()
        source.gate.set()
        assert await cache.get(query(1))
        assert not delta.done()
        gate.set()
        with pytest.raises(AttributeError):  # this source answers block queries only
            await delta


async def test_more_deltas_than_may_wait_are_refused_for_now(source):
    """Whoever has many searched holds up only other deltas, and those not for long."""
    source.error = OSError("not this time")
    with ThreadPoolExecutor(1) as executor:
        cache = FrameCache(keep_answers(1 << 20), executor, source)
        source.gate.clear()
        queries = [DeltaQuery(number.to_bytes(32), 32 * b"n") for number in range(SEARCHES + 1)]
        waiting = [asyncio.create_task(cache.get(each)) for each in queries[:SEARCHES]]
        await turns()
        (frame,) = await cache.get(queries[-1])
        assert decode_frame(frame) == (Failed(queries[-1], Code.NO_DELTA),)
        assert (cache.refused, cache.misses) == (1, SEARCHES)
        joined = asyncio.create_task(cache.get(queries[0]))  # that is made anyway
        await turns()
        assert not joined.done()
        source.gate.set()
        for each in (*waiting, joined):
            with pytest.raises(OSError, match="not this time"):
                await each
        with pytest.raises(OSError, match="not this time"):
            await cache.get(queries[-1])


async def test_later_requests_are_answered_from_memory(cache, source):
    first = await cache.get(query(1))
    assert await cache.get(query(1)) is first
    assert (len(source.calls), cache.hits) == (1, 1)


async def test_the_least_recently_used_goes_first(cache, source, kept):
    for number in range(10):
        await cache.get(query(number))
    assert (len(kept), kept.bytes) == (10, kept.max_bytes)
    await cache.get(query(0))
    await cache.get(query(10))
    assert len(kept) == 10
    assert kept.bytes <= kept.max_bytes
    source.calls.clear()
    await cache.get(query(0))
    await cache.get(query(1))
    assert source.calls == [[query(1)]]


async def test_answers_for_a_version_can_be_dropped(cache, source, kept):
    await cache.get(query(1))
    await cache.get(query(2))
    kept.drop(query(1).version)
    source.calls.clear()
    await cache.get(query(1))
    await cache.get(query(2))
    assert source.calls == [[query(1)]]


def test_the_topic_of_an_answer_is_the_version_that_it_is_for():
    kept = keep_answers(1 << 20)
    old, new = 32 * b"1", 32 * b"2"
    for question in (
        HashQuery(new, 0, 0, b""),
        BlockQuery(new, 0, b""),
        DeltaQuery(old, new),
        PublishedQuery("a", new),
    ):
        kept.put(question, Answer((b"x",)))
    kept.drop(old)
    assert len(kept) == 4
    kept.drop(new)
    assert kept.get(PublishedQuery("a", new)) is not None
    assert (len(kept), kept.bytes) == (1, ENTRY_OVERHEAD + 1)


async def test_an_error_reaches_all_waiters_and_is_not_kept(cache, source):
    source.gate.clear()
    source.error = OSError("disk")
    waiters = [asyncio.create_task(cache.get(query(1))) for _ in range(5)]
    await turns()
    source.gate.set()
    results = await asyncio.gather(*waiters, return_exceptions=True)
    assert [str(result) for result in results] == ["disk"] * 5
    assert len(source.calls) == 1
    source.error = None
    assert (await cache.get(query(1)))[0] == query(1).version


async def test_an_answer_for_the_moment_is_shared_but_not_kept(cache, source):
    source.lasting = False
    await asyncio.gather(cache.get(query(1)), cache.get(query(1)))
    assert len(source.calls) == 1
    await cache.get(query(1))
    assert len(source.calls) == 2


async def test_a_cancelled_first_waiter_does_not_cancel_the_work(cache, source):
    source.gate.clear()
    first = asyncio.create_task(cache.get(query(1)))
    second = asyncio.create_task(cache.get(query(1)))
    await turns()
    first.cancel()
    await turns()
    source.gate.set()
    assert (await second)[0] == query(1).version
    assert first.cancelled()
    assert len(source.calls) == 1


async def test_work_that_nobody_waits_for_any_more_is_still_kept(cache, source):
    source.gate.clear()
    only = asyncio.create_task(cache.get(query(1)))
    await turns()
    only.cancel()
    await turns()
    assert only.cancelled()
    source.gate.set()
    await cache.get(query(1))
    assert len(source.calls) == 1


async def test_different_requests_do_not_wait_for_each_other(cache, source):
    both = threading.Barrier(2, timeout=10)
    cache._answer = lambda asked: (both.wait(), Answer((asked.version,)))[1]
    answers = await asyncio.gather(cache.get(query(1)), cache.get(query(2)))
    assert [frames[0] for frames in answers] == [query(1).version, query(2).version]


async def test_small_answers_are_made_in_one_call(cache, source):
    asked = [query(number) for number in (1, 2, 3, 2)]
    answers = await cache.get_all(asked)
    assert [frames[0] for frames in answers] == [each.version for each in asked]
    assert source.calls == [[query(1), query(2), query(3)]]
    assert (cache.misses, cache.coalesced, cache.hits) == (3, 0, 0)
    assert await cache.get_all([query(3), query(4)]) == [answers[2], await cache.get(query(4))]
    assert (cache.misses, cache.hits) == (4, 2)


async def test_what_is_on_its_way_is_not_made_again_with_others(cache, source):
    source.gate.clear()
    first = asyncio.create_task(cache.get_all([query(1), query(2)]))
    await turns()
    second = asyncio.create_task(cache.get_all([query(2), query(3)]))
    await turns()
    source.gate.set()
    assert (await first)[1] is (await second)[0]
    assert sorted(source.calls, key=len, reverse=True) == [[query(1), query(2)], [query(3)]]
    assert (cache.misses, cache.coalesced) == (3, 1)


async def test_what_two_ask_for_in_the_same_turn_is_made_once(cache, source):
    asked = [query(1), query(2)]
    one, two = await asyncio.gather(cache.get_all(asked), cache.get_all(asked))
    assert one[0] is two[0]
    assert source.calls == [asked]


async def test_who_stops_waiting_for_several_does_not_stop_them(cache, source):
    source.gate.clear()
    first = asyncio.create_task(cache.get_all([query(1), query(2)]))
    await turns()
    first.cancel()
    second = asyncio.create_task(cache.get(query(2)))
    await turns()
    source.gate.set()
    assert (await second)[0] == query(2).version
    assert len(source.calls) == 1


async def test_large_answers_are_made_side_by_side(cache, source):
    both = threading.Barrier(2, timeout=10)
    source.gate.wait = lambda _: both.wait() >= 0
    large = [BlockQuery(n.to_bytes(32), 0, runs.whole(LITTLE // LEAF + 1)) for n in (1, 2)]
    assert len(await cache.get_all(large)) == 2
    assert len(source.calls) == 2
