"""One entry, one path."""

import os

import pytest

from pyzsync_daemon.client.compare import NOTHING, Local
from pyzsync_daemon.client.entry import Action, Entry
from pyzsync_daemon.client.place import Item, Overtaken, nothing_displaced, place, remove, touch
from pyzsync_daemon.client.records import Intent
from pyzsync_daemon.files.root import Fingerprint
from tests.pyzsync_daemon.client.values import new_file


@pytest.fixture
def replica(client):
    return client.bench._replica


def seen(root, path):
    return Fingerprint.of(os.lstat(root / path))


def item(replica, hub, local, action=Action.PLACE, let_go=True):
    change = hub.file("f", b"") if action is not Action.REMOVE else hub.absent("f")
    name = replica.staging.name("f")
    if action is Action.PLACE:
        name = new_file(replica.staging, "f", b"", 0)
    staged = replica.staging.lstat(name)
    made = Item(Entry(change, action, local, name), change, let_go)
    fingerprint = made.staged = staged and Fingerprint.of(staged)
    made.intent = Intent(change, name, fingerprint, local.fingerprint, let_go, local.version)
    return made


def test_a_place_that_was_free_and_is_not_is_overtaken(client, hub, replica):
    one = item(replica, hub, NOTHING)
    (client.root / "f").write_bytes(b"mine")
    with pytest.raises(Overtaken):
        place(replica, one)
    assert (client.root / "f").read_bytes() == b"mine"
    assert nothing_displaced(replica, one)


@pytest.mark.parametrize("act", [place, remove])
def test_what_was_thought_to_be_the_hubs_and_has_changed_is_overtaken(client, hub, replica, act):
    path = client.root / "f"
    path.write_bytes(b"once")
    action = Action.PLACE if act is place else Action.REMOVE
    one = item(replica, hub, Local(seen(client.root, "f"), True, b"v" * 32), action)
    path.write_bytes(b"edited")
    with pytest.raises(Overtaken):
        act(replica, one)
    assert path.read_bytes() == b"edited"


def test_what_goes_aside_anyway_may_be_anything(client, hub, replica):
    path = client.root / "f"
    path.write_bytes(b"mine")
    one = item(replica, hub, Local(seen(client.root, "f")), let_go=False)
    path.write_bytes(b"mine, written again and again")
    place(replica, one)
    assert path.read_bytes() == b""
    assert (client.root / one.conflict).read_bytes() == b"mine, written again and again"


def test_the_record_of_an_entry_that_vanished_at_once_never_agrees(client, hub, replica):
    one = item(replica, hub, NOTHING)
    client.hook = lambda step: (client.root / "f").unlink() if step == "rename" else None
    place(replica, one)
    assert one.record.fingerprint.ctime_ns == 0


def test_a_path_that_has_gone_cannot_be_touched(client, hub, replica):
    (client.root / "f").write_bytes(b"")
    one = item(replica, hub, Local(seen(client.root, "f"), True, b"v" * 32), Action.TOUCH)
    os.utime(client.root / "f", ns=(1, 1))
    with pytest.raises(Overtaken):
        touch(replica, one)


def test_what_was_displaced_and_not_put_away_is_seen(client, hub, replica):
    (client.root / "f").write_bytes(b"mine")
    one = item(replica, hub, Local(seen(client.root, "f")), let_go=False)
    (client.root / ".pyzsync/conflicts").write_bytes(b"in the way")
    place(replica, one)
    assert one.error
    assert not nothing_displaced(replica, one)


def test_a_directory_waits_for_deletions_of_another_commit(client, hub):
    client.reopen(allow_mass_delete=True)  # of so few, these would be too many
    client.apply(hub.directory("d"), hub.directory("d/inner"))
    inner, outer = hub.absent("d/inner"), hub.absent("d")
    client.stage(inner, outer)
    (failed,) = client.commit(outer).failed
    assert failed[0] == outer
    client.commit(inner)
    client.apply(outer)
    assert client.tree() == {}


def test_a_directory_that_is_not_empty_stays_for_what_the_hub_never_published(client, hub):
    client.apply(hub.directory("d"))
    (client.root / "d/mine").write_bytes(b"mine")
    client.apply(hub.absent("d"))
    assert client.tree() == {"d": None, "d/mine": b"mine"}


def test_a_directory_made_for_an_earlier_commit_is_not_displaced(client, hub):
    (client.root / "d").write_bytes(b"mine")
    outer, inner = hub.directory("d"), hub.directory("d/inner")
    client.stage(outer, inner)
    client.commit(inner)  # ``outer`` waits to hear whether the hub once published the file
    committed = client.commit(outer)
    assert (committed.again, client.tree()) == ((outer,), {"d": None, "d/inner": None})
    client.apply(outer)
    assert client.conflicts() == [b"mine"]
