import asyncio

import pytest

from pyzsync_daemon.budget import Budget


async def turns():
    """Let every task run until it waits."""
    for _ in range(10):
        await asyncio.sleep(0)


class Holder:
    """A task that holds a share until it is let go, and notes in ``order`` when it got it."""

    def __init__(self, budget, size, name="", order=None):
        self.order = [] if order is None else order
        self.done = asyncio.Event()
        self.task = asyncio.create_task(self.run(budget, size, name))

    async def run(self, budget, size, name):
        async with budget.hold(size):
            self.order.append(name)
            await self.done.wait()

    async def let_go(self):
        self.done.set()
        await self.task


def holders(budget, *sizes):
    order = []
    return order, [Holder(budget, size, i, order) for i, size in enumerate(sizes)]


async def finish(held):
    for holder in held:
        holder.done.set()
    await asyncio.gather(*(holder.task for holder in held))


async def test_no_more_than_the_budget_is_held_at_once():
    budget = Budget(100)
    order, held = holders(budget, 60, 40, 1)
    await turns()
    assert (order, budget.held, budget.waiting) == ([0, 1], 100, 1)
    await held[0].let_go()
    await turns()
    assert (order, budget.held, budget.waiting) == ([0, 1, 2], 41, 0)
    await finish(held)
    assert budget.held == 0


async def test_small_requests_do_not_overtake_a_big_one():
    budget = Budget(100)
    order, held = holders(budget, 50, 80, 10, 10)
    await turns()
    assert order == [0]  # 10 would fit, but 80 came first
    await held[0].let_go()
    await turns()
    assert order == [0, 1, 2, 3]
    await finish(held)


async def test_big_requests_do_not_hold_up_a_small_one_that_came_before():
    budget = Budget(100)
    order, held = holders(budget, 100, 1, 100, 100)
    await turns()
    await held[0].let_go()
    await turns()
    assert order == [0, 1]
    await finish(held)
    assert order == [0, 1, 2, 3]


async def test_a_request_larger_than_the_budget_goes_alone():
    budget = Budget(100)
    order, held = holders(budget, 1, 5000, 1)
    await turns()
    assert order == [0]
    await held[0].let_go()
    await turns()
    assert (order, budget.held) == ([0, 1], 100)
    await held[1].let_go()
    await turns()
    assert order == [0, 1, 2]
    await finish(held)
    assert budget.held == 0


async def test_a_cancelled_wait_lets_those_behind_it_pass():
    budget = Budget(100)
    order, held = holders(budget, 60, 80, 40)
    await turns()
    held[1].task.cancel()
    await turns()
    assert (order, budget.held, budget.waiting) == ([0, 2], 100, 0)
    await finish([held[0], held[2]])
    assert budget.held == 0
    with pytest.raises(asyncio.CancelledError):
        await held[1].task


async def test_cancelled_in_the_step_in_which_the_turn_comes_gives_the_share_back():
    budget = Budget(100)
    async with budget.hold(100):
        order, held = holders(budget, 100, 100)
        await turns()
    assert budget.held == 100  # the first one's turn has come, but its task has not run yet
    held[0].task.cancel()
    await turns()
    assert order == [1]
    await finish(held[1:])
    assert budget.held == 0


async def test_cancelled_deep_in_the_queue_is_skipped_later():
    budget = Budget(100)
    order, held = holders(budget, 100, 100, 100, 100)
    await turns()
    held[2].task.cancel()
    await turns()
    assert budget.waiting == 2
    await finish([held[0], held[1], held[3]])
    assert order == [0, 1, 3]
    assert budget.held == 0


async def test_a_share_comes_back_when_the_block_raises():
    budget = Budget(10)
    with pytest.raises(ConnectionError):
        async with budget.hold(7):
            raise ConnectionError
    assert budget.held == 0


async def test_a_hundred_tasks_stay_within_the_budget():
    budget = Budget(100)
    peak = 0

    async def work(size):
        nonlocal peak
        async with budget.hold(size):
            peak = max(peak, budget.held)
            await asyncio.sleep(0)

    await asyncio.gather(*(work(1 + i * 7 % 60) for i in range(100)))
    assert 60 < peak <= 100
    assert (budget.held, budget.waiting) == (0, 0)


def test_a_budget_of_nothing_is_refused():
    with pytest.raises(ValueError, match="lets nothing through"):
        Budget(0)


async def test_a_share_can_be_given_back_early_and_only_once():
    budget = Budget(100)
    async with budget.hold(80) as give_back:
        _, (waiter,) = holders(budget, 70)
        await turns()
        assert budget.held == 80
        give_back()
        give_back()
        await turns()
        assert budget.held == 70
    assert budget.held == 70
    await finish([waiter])
    assert budget.held == 0
