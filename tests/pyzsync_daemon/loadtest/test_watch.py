import asyncio
import time

import pytest

from protocol.messages import Announce
from pyzsync_daemon.client.effects import (
    Applied,
    Audit,
    Audited,
    Commit,
    Committed,
    Outcome,
    Prepare,
    Prepared,
    State,
)
from pyzsync_daemon.loadtest.watch import ABSENT, Watch
from tests.pyzsync_daemon.client.values import absent, file, version


def committed(*changes):
    return Commit(changes), Committed(tuple(map(Applied, changes)))


async def until_done(watch):
    await asyncio.wait_for(watch.wait(), 0.01)


async def test_it_is_done_when_every_expected_version_is_in_place():
    watch = Watch()
    watch.arm({"f": version(2), "gone": ABSENT})
    before = time.monotonic()
    watch.heard()
    after = time.monotonic()
    watch.completed(*committed(file("f", number=1)), 6.0)
    watch.completed(*committed(file("f", number=2)), 7.0)
    with pytest.raises(TimeoutError):
        await until_done(watch)
    watch.completed(*committed(absent("gone")), 8.0)
    await until_done(watch)
    assert before <= watch.heard_at <= after <= watch.done_at


async def test_a_replica_that_tells_when_it_placed_the_file_is_believed():
    placed = [0.0]
    watch = Watch(lambda: placed[0])
    for _ in range(2):
        watch.arm({"f": version(1)})
        before = time.monotonic()
        watch.completed(*committed(file("f")), 1.0)
        assert watch.done_at >= before  # it tells nothing, or of an earlier round
        watch.arm({"f": version(1)})
        placed[0] = time.monotonic()
        watch.completed(*committed(file("f")), 1.0)
        assert watch.done_at == placed[0]


async def test_what_was_right_already_counts_too():
    watch = Watch()
    watch.arm({"f": version(1)})
    outcomes = tuple(Outcome(file("f"), state) for state in (State.PULL, State.SATISFIED))
    watch.completed(Prepare((file("f"),)), Prepared(outcomes[:1]), 1.0)
    assert watch.done_at is None
    watch.completed(Prepare((file("f"),)), Prepared(outcomes[1:]), 1.0)
    assert watch.done_at is not None


async def test_nothing_is_noted_that_nobody_waits_for():
    watch = Watch()
    watch.completed(*committed(file("f")), 1.0)
    watch.completed(Audit(), Audited(()), 1.0)
    watch.received(Announce((file("f"),)), 1.0)
    watch.heard()
    assert (watch.done_at, watch.heard_at) == (None, None)


async def test_a_new_connection_is_one_after_an_old_one_has_ended():
    watch = Watch()
    watch.arm_for_link()
    watch.settled()
    assert watch.done_at is None
    watch.link_closed(100, 10)
    assert not watch.level.is_set()
    watch.settled()
    await until_done(watch)
    assert (watch.received_bytes, watch.level.is_set()) == (100, True)


def test_problems_are_remembered():
    watch = Watch()
    watch.problems({"f": "no room"})
    assert watch.trouble == {"f": "no room"}
