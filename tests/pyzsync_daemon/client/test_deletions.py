"""The guard on what a replica is told to delete."""

import pytest

from pyzsync_daemon.client.deletions import Deletions
from pyzsync_daemon.client.effects import Prepare
from pyzsync_daemon.client.shelf import Shelf
from pyzsync_daemon.client.workbench import Workbench


@pytest.fixture
def replica(client, hub):
    client.apply(*(hub.file(f"{number}", b"") for number in range(60)))
    return client.bench._replica


@pytest.fixture
def deletions(replica):
    return Deletions(replica, Shelf(replica.staging))


def names(numbers):
    return tuple(str(number) for number in numbers)


def news(hub, replica, deletions, gone, *, new=0, batch=256, **fields):
    """What is said of the first ``batch`` of some announced changes."""
    changes = [hub.file(f"new-{number}", b"") for number in range(new)]
    changes += [hub.absent(name) for name in names(gone)]
    effect = Prepare(tuple(changes[:batch]), deletions=names(gone), **fields)
    return deletions.news(effect, replica.index.lookup([each.path for each in effect.changes]))


def test_a_few_deletions_are_believed(hub, replica, deletions):
    assert news(hub, replica, deletions, range(20)) is None


def test_more_than_half_is_not(hub, replica, deletions):
    halt = news(hub, replica, deletions, range(31))
    assert str(halt).startswith("31 of 60 entries are gone")


def test_the_first_of_many_is_judged_with_all_of_them(hub, replica, deletions):
    assert news(hub, replica, deletions, range(31), batch=1) is not None


@pytest.mark.parametrize("committed", [True, False])
def test_announcements_add_up(hub, replica, deletions, committed):
    assert news(hub, replica, deletions, range(20)) is None
    if committed:
        replica.index.record([], drop=names(range(20)))
    halt = news(hub, replica, deletions, range(20, 40))
    assert str(halt).startswith("40 of 60 entries are gone")


def test_after_a_halt_nothing_is_deleted_until_the_next_connection(hub, replica, deletions):
    first = news(hub, replica, deletions, range(60))
    assert news(hub, replica, deletions, range(1)) == first
    assert deletions.news(Prepare((hub.absent("2"),)), {}) == first
    assert news(hub, replica, deletions, range(1), connection=1) is None
    late = Prepare((hub.absent("2"),), connection=0)  # from before, in another thread
    assert deletions.news(late, {}) is None


def test_a_person_may_allow_it(client, hub):
    client.apply(*(hub.file(name, b"") for name in names(range(60))))
    client.reopen(allow_mass_delete=True)
    replica = client.bench._replica
    assert news(hub, replica, Deletions(replica, Shelf(replica.staging)), range(60)) is None


def test_deletions_count_for_a_while(client, hub):
    client.apply(*(hub.file(name, b"") for name in names(range(60))))
    client.bench.close()
    seconds = [0.0]
    client.bench = Workbench(client.root, steady=lambda: seconds[0])
    replica = client.bench._replica
    deletions = Deletions(replica, Shelf(replica.staging))
    assert news(hub, replica, deletions, range(20)) is None
    seconds[0] = replica.settings.deletion_window
    assert news(hub, replica, deletions, range(20, 40)) is None


def test_what_appears_is_set_off(hub, replica, deletions):
    assert news(hub, replica, deletions, range(60), new=60) is None


def test_what_is_still_to_come_is_set_off(hub, replica, deletions):
    """A directory of large files was moved: they are prepared one by one."""
    waiting = tuple(f"big-{number}" for number in range(60))
    assert news(hub, replica, deletions, range(60), waiting=waiting) is None
    assert news(hub, replica, deletions, range(60), waiting=names(range(60))) is not None


def test_what_was_never_recorded_is_no_deletion(hub, replica, deletions):
    assert news(hub, replica, deletions, range(1000, 2000)) is None


def test_a_snapshot_is_judged_as_a_whole(deletions):
    assert deletions.snapshot(named=40, gone=20) is None
    assert deletions.snapshot(named=20, gone=40) is not None
    assert deletions.snapshot(named=60, gone=60) is None  # the whole tree was moved
    assert str(deletions.snapshot(named=0, gone=60)) == "all 60 entries are gone"
