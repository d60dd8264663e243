from collections import deque

from protocol.messages import Kind
from pyzsync_daemon.files.root import Fingerprint
from pyzsync_daemon.hub.groups import Group, Groups
from pyzsync_daemon.hub.observed import Observed


def group(*paths):
    seen = (Observed(path, Kind.FILE, Fingerprint(0, 0, 0, 0, 0)) for path in paths)
    return Group(deque(seen), [], (), 0.0)


def test_the_newest_goes_first_and_the_oldest_is_not_forgotten():
    groups = Groups()
    old, new, patient = group("old"), group("new"), group("patient")
    groups.add(old, patient=False)
    groups.add(patient, patient=True)
    groups.add(new, patient=False)
    assert [groups.next() for _ in range(5)] == [new, new, new, patient, new]
    groups.done(new)
    assert groups.next() is old
    assert len(groups) == 2


def test_a_path_is_read_once_by_the_newest():
    groups = Groups()
    old, new = group("a", "b"), group("b", "c")
    groups.add(old, patient=False)
    groups.add(new, patient=False)
    assert groups.take(old).path == "a"
    assert groups.take(old) is None
    assert [groups.take(new).path, groups.take(new).path] == ["b", "c"]


def test_clear_leaves_nothing():
    groups = Groups()
    groups.add(group("a"), patient=False)
    groups.clear()
    assert not groups
