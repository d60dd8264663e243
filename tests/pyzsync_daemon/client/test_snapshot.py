from pyzsync_daemon.client.effects import Prune
from pyzsync_daemon.client.snapshot import Snapshot
from tests.pyzsync_daemon.client.values import position


def test_what_was_named_is_pruned_around():
    snapshot = Snapshot()
    snapshot.named |= {"a", "b"}
    assert not snapshot.complete
    assert snapshot.close(position(2)) == Prune(frozenset({"a", "b"}))
    assert snapshot.complete
    assert snapshot.positions == [position(2)]


def test_what_is_named_later_does_not_change_the_prune():
    snapshot = Snapshot()
    prune = snapshot.close(position(2))
    snapshot.named.add("late")
    assert snapshot.prune is prune
    assert prune.paths == frozenset()
