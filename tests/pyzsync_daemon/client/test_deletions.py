"""The guard on what a replica is told to delete."""

import pytest

from pyzsync_daemon.client.deletions import Deletions
from pyzsync_daemon.client.shelf import Shelf


@pytest.fixture
def replica(client, hub):
    client.apply(*(hub.file(f"{number}", b"") for number in range(60)))
    return client.bench._replica


@pytest.fixture
def deletions(replica):
    return Deletions(replica, Shelf(replica.staging))


def batch(hub, replica, deletions, gone, new=0):
    changes = [hub.absent(f"{number}") for number in gone]
    changes += [hub.file(f"new-{number}", b"") for number in range(new)]
    return deletions.batch(changes, replica.index.lookup([change.path for change in changes]))


def test_a_few_deletions_are_believed(hub, replica, deletions):
    assert batch(hub, replica, deletions, range(20)) is None


def test_more_than_half_is_not(hub, replica, deletions):
    assert str(batch(hub, replica, deletions, range(31))).startswith("31 of 60 entries are gone")


def test_batches_add_up(hub, replica, deletions):
    assert batch(hub, replica, deletions, range(20)) is None
    replica.index.record([], drop=[f"{number}" for number in range(20)])
    assert batch(hub, replica, deletions, range(20, 40)) is not None


def test_what_appears_is_set_off(hub, replica, deletions):
    assert batch(hub, replica, deletions, range(60), new=60) is None


def test_what_was_never_recorded_is_no_deletion(hub, replica, deletions):
    assert batch(hub, replica, deletions, range(1000, 2000)) is None


def test_a_snapshot_is_judged_as_a_whole(deletions):
    assert deletions.snapshot(named=40, gone=20) is None
    assert deletions.snapshot(named=20, gone=40) is not None
    assert deletions.snapshot(named=60, gone=60) is None  # the whole tree was moved
    assert str(deletions.snapshot(named=0, gone=60)) == "all 60 entries are gone"
