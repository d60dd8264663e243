import asyncio
import errno
import sqlite3
import threading

import pytest

from pyzsync_daemon.client.board import BIG
from pyzsync_daemon.client.effects import (
    Abandon,
    Audit,
    Audited,
    Commit,
    Committed,
    Finish,
    Match,
    Planned,
    Prepare,
    Prune,
    Pruned,
    Reuse,
    Save,
    Saved,
    State,
)
from pyzsync_daemon.client.runner import Lane, Runner, lane_of
from tests.pyzsync_daemon.client.values import HUB, directory, file, position, ready

SMALL, LARGE = file("small"), file("large", size=BIG + 1)
FULL = OSError(errno.ENOSPC, "No space left on device")


class Desk:
    """A runner, and what came of its effects."""

    def __init__(self, work):
        self.results = asyncio.Queue()
        self.runner = Runner(work, self._done)

    def _done(self, results):
        for pair in results:
            self.results.put_nowait(pair)

    async def run(self, effect):
        self.runner.start([effect])
        ended, result = await self.results.get()
        assert ended is effect  # the session compares by identity
        return result


async def test_effects_run_in_threads_and_end_in_the_loop():
    threads = []

    def work(effect):
        threads.append(threading.current_thread())
        return ready(effect)

    desk = Desk(work)
    assert await desk.run(Prepare((SMALL,))) == ready(Prepare((SMALL,)))
    assert threads[0] is not threading.main_thread()
    await desk.runner.close()


async def test_effects_of_small_files_cross_the_threads_together():
    done, turns = asyncio.Event(), []

    def take(results):
        turns.append(results)
        done.set()

    runner = Runner(ready, take)
    effects = [Prepare((file(str(number)),)) for number in range(30)]
    runner.start(effects)
    await done.wait()
    assert turns == [[(each, ready(each)) for each in effects]]
    await runner.close()


async def test_small_files_pass_big_ones():
    gate = threading.Event()

    def work(effect):
        if effect.changes[0] is LARGE and not gate.wait(20):
            raise AssertionError("the small ones had to wait")
        return ready(effect)

    desk = Desk(work)
    for _ in range(4):
        desk.runner.start([Prepare((LARGE,))])
    small = Prepare((SMALL,))
    desk.runner.start([small])
    ended, _ = await desk.results.get()
    assert ended is small
    gate.set()
    for _ in range(4):
        assert (await desk.results.get())[0].changes == (LARGE,)
    await desk.runner.close()


@pytest.mark.parametrize(
    ("effect", "lane"),
    [
        (Prepare((SMALL,)), Lane.SMALL),
        (Prepare((SMALL, LARGE)), Lane.BIG),
        (Match(LARGE, ()), Lane.BIG),
        (Reuse(LARGE), Lane.BIG),
        (Finish(SMALL), Lane.SMALL),
        (Abandon(LARGE), Lane.SMALL),
        (Commit((LARGE,)), Lane.DISK),
        (Audit(), Lane.BIG),
        (Save(HUB, None), Lane.DISK),
        (Prune(frozenset()), Lane.DISK),
    ],
)
def test_every_effect_has_its_lane(effect, lane):
    assert lane_of(effect) is lane


@pytest.mark.parametrize(
    "effect",
    [Prepare((SMALL, LARGE)), Match(SMALL, ()), Reuse(SMALL), Abandon(SMALL), Commit((SMALL,))],
)
async def test_a_disk_that_says_no_is_a_result(effect):
    def work(effect):
        raise FULL

    desk = Desk(work)
    result = await desk.run(effect)
    if isinstance(effect, Prepare):
        assert [each.change for each in result.outcomes] == [SMALL, LARGE]
        assert {(each.state, each.error) for each in result.outcomes} == {(State.FAILED, str(FULL))}
    elif isinstance(effect, Commit):
        assert result == Committed((), failed=((SMALL, str(FULL)),))
    else:
        assert result == Planned(SMALL, error=str(FULL))
    assert not desk.runner.failed.done()
    await desk.runner.close()


@pytest.mark.parametrize("error", [FULL, sqlite3.OperationalError("database or disk is full")])
async def test_a_disk_that_fails_the_records_is_told_and_survived(error):
    def work(effect):
        raise error

    desk = Desk(work)
    assert await desk.run(Save(HUB, position(3))) == Saved(position(3), error=str(error))
    assert await desk.run(Prune(frozenset())) == Pruned((), halted=str(error))
    assert await desk.run(Audit()) == Audited((), error=str(error))
    assert not desk.runner.failed.done()
    await desk.runner.close()


async def test_damaged_records_end_the_daemon():
    def work(effect):
        raise sqlite3.DatabaseError("database disk image is malformed")

    desk = Desk(work)
    desk.runner.start([Audit()])
    with pytest.raises(sqlite3.DatabaseError, match="malformed"):
        await desk.runner.failed
    await desk.runner.close()


async def test_a_defect_is_not_swallowed():
    def work(effect):
        raise RuntimeError("a defect")

    desk = Desk(work)
    desk.runner.start([Prepare((directory("a"),))])
    with pytest.raises(RuntimeError, match="a defect"):
        await desk.runner.failed
    await desk.runner.close()
    assert desk.results.empty()


async def test_closing_waits_for_what_runs_and_begins_nothing():
    begun, gate = threading.Event(), threading.Event()

    def work(effect):
        begun.set()
        gate.wait(20)
        return Audited(())

    desk = Desk(work)
    desk.runner.start([Audit()])
    await asyncio.to_thread(begun.wait, 20)
    closing = asyncio.create_task(desk.runner.close())
    await asyncio.sleep(0)
    desk.runner.start([Audit()])
    assert not closing.done()
    gate.set()
    await closing
    assert await desk.results.get() == (Audit(), Audited(()))
    assert desk.results.empty()
