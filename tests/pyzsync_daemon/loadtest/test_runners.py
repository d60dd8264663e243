import asyncio
from concurrent.futures import ThreadPoolExecutor

import pytest

from pyzsync_daemon.client.effects import Audit, Audited
from pyzsync_daemon.loadtest.runners import Turns, inline, pooled


@pytest.fixture(params=["inline", "pooled"])
async def make(request):
    with ThreadPoolExecutor(2) as threads:
        yield inline(Turns()) if request.param == "inline" else pooled(threads)


class Effects:
    """Runs ``count`` effects, each started by the one before; ``order`` is what was run."""

    def __init__(self, make, count, fails=None):
        self.order, self._count, self._fails = [], count, fails
        self.over = asyncio.Event()
        self.runner = make(self._work, self._done)

    def _work(self, effect):
        self.order.append(effect)
        if self._fails is not None:
            raise self._fails
        return Audited(())

    def _done(self, results):
        assert [type(result) for _, result in results] == [Audited]
        if len(self.order) == self._count:
            self.over.set()
        else:
            self.runner.start([Audit()])


async def test_effects_run_and_their_results_start_more(make):
    effects = Effects(make, 5)
    effects.runner.start([Audit()])
    await asyncio.wait_for(effects.over.wait(), 30)
    assert len(effects.order) == 5
    await effects.runner.close()


async def test_a_defect_ends_the_client(make):
    effects = Effects(make, 5, ValueError("a defect"))
    effects.runner.start([Audit()])
    with pytest.raises(ValueError, match="a defect"):
        await asyncio.wait_for(effects.runner.failed, 30)


async def test_what_waits_when_it_closes_is_dropped(make):
    effects = Effects(make, 1)
    for _ in range(10):
        effects.runner.start([Audit()])
    await effects.runner.close()
    assert len(effects.order) <= 1


async def test_clients_take_turns_and_the_loop_comes_in_between():
    turns, order = Turns(), []
    loop = asyncio.get_running_loop()
    over = asyncio.Event()
    for name in "abc":
        turns.wait(lambda name=name: order.append(name))
    turns.wait(over.set)
    taken = asyncio.create_task(turns.take())
    loop.call_soon(order.append, "loop")
    await over.wait()
    assert order == ["a", "loop", "b", "c"]
    await taken
