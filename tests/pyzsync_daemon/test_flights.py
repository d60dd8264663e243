import asyncio

import pytest

from pyzsync_daemon.flights import Flights


class Work:
    """Launches futures and remembers them."""

    def __init__(self):
        self.launched = []

    def __call__(self):
        self.launched.append(asyncio.get_running_loop().create_future())
        return self.launched[-1]


@pytest.fixture
def flights():
    return Flights()


async def waiting(flights, work, count):
    tasks = [asyncio.create_task(flights.join("key", work)) for _ in range(count)]
    await asyncio.sleep(0)
    return tasks


async def test_what_many_want_is_done_once_and_then_anew(flights):
    work = Work()
    tasks = await waiting(flights, work, 100)
    assert flights.under_way("key")
    work.launched[0].set_result("done")
    assert await asyncio.gather(*tasks) == ["done"] * 100
    assert not flights.under_way("key")
    (again,) = await waiting(flights, work, 1)
    assert len(work.launched) == 2
    work.launched[1].set_result("again")
    assert await again == "again"


async def test_who_leaves_does_not_stop_it_for_the_others(flights):
    work = Work()
    first, second = await waiting(flights, work, 2)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    work.launched[0].set_result("done")
    assert await second == "done"


async def test_a_failure_reaches_all_and_is_seen_when_nobody_is_left(flights):
    work = Work()
    tasks = await waiting(flights, work, 2)
    work.launched[0].set_exception(OSError("disk"))
    assert [str(each) for each in await asyncio.gather(*tasks, return_exceptions=True)] == [
        "disk",
        "disk",
    ]
    (only,) = await waiting(flights, work, 1)
    only.cancel()
    with pytest.raises(asyncio.CancelledError):
        await only
    work.launched[1].set_exception(OSError("disk"))
    await asyncio.sleep(0)
    assert not flights.under_way("key")


async def test_one_piece_of_work_has_the_results_for_several(flights):
    work = asyncio.get_running_loop().create_future()
    flights.begin(["a", "b"], work)
    assert flights.under_way("a")
    waiters = [asyncio.create_task(flights.join(key, Work())) for key in ("a", "b", "a")]
    await asyncio.sleep(0)
    work.set_result([1, 2])
    assert await asyncio.gather(*waiters) == [1, 2, 1]
    assert not flights.under_way("a")


async def test_work_for_several_that_fails_fails_for_each(flights):
    work = asyncio.get_running_loop().create_future()
    flights.begin(["a", "b", "nobody's"], work)
    waiters = [asyncio.create_task(flights.join(key, Work())) for key in ("a", "b")]
    await asyncio.sleep(0)
    work.set_exception(OSError("disk"))
    results = await asyncio.gather(*waiters, return_exceptions=True)
    assert [str(each) for each in results] == ["disk", "disk"]
    assert not flights.under_way("nobody's")


async def test_work_for_several_that_is_cancelled_is_cancelled_for_each(flights):
    work = asyncio.get_running_loop().create_future()
    flights.begin(["a"], work)
    waiter = asyncio.create_task(flights.join("a", Work()))
    await asyncio.sleep(0)
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiter
