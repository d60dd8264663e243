"""What is under way between Prepare and Commit."""

from dataclasses import replace

import pytest

from pyzsync_daemon.client.compare import NOTHING, examine
from pyzsync_daemon.client.entry import Action, Entry
from pyzsync_daemon.client.place import Item
from pyzsync_daemon.client.pull import Pull
from pyzsync_daemon.client.shelf import Shelf
from pyzsync_daemon.client.sources import OldBytes
from pyzsync_daemon.client.staging import PART
from tests.pyzsync_daemon.client.values import new_file


@pytest.fixture
def staging(client):
    return client.bench._replica.staging


@pytest.fixture
def shelf(staging):
    return Shelf(staging)


def entry(hub, staging, path="f", remains=()):
    change = hub.file(path, b"x" * 8192)
    name = new_file(staging, path, change.version, change.size)
    return Entry(change, Action.PLACE, NOTHING, name, remains=remains)


def pull(client, staging, entry):
    old = OldBytes(client.bench._replica, ())
    return Pull(staging, entry.change, entry.name, old)


def test_a_running_pull_is_no_ready_entry(client, hub, staging, shelf):
    one = entry(hub, staging)
    shelf.put("f", one, pull(client, staging, one))
    assert shelf.entry("f") is None
    assert shelf.pull(one.change).name == one.name
    assert shelf.pull(hub.file("f", b"other")) is None
    assert (shelf.paths(), shelf.appearing()) == ({"f"}, 1)
    shelf.complete(one.change)
    assert shelf.pull(one.change) is None
    ready = shelf.entry("f")
    assert (ready.fetched, ready.reused) == (0, 8192)
    assert staging.names() == [ready.name] == [one.name]


def test_what_will_change_places_has_a_name_that_says_so(client, hub, staging, shelf):
    client.apply(hub.file("f", b"old"))
    local = examine(client.bench._replica, "f", client.bench._replica.index.get("f"))
    one = replace(entry(hub, staging), local=local)
    shelf.put("f", one, pull(client, staging, one))
    shelf.complete(one.change)
    assert staging.names() == [shelf.entry("f").name] == [one.name.removesuffix(PART)]


def test_what_is_not_yet_written_is_reserved(client, hub, staging, shelf):
    one = entry(hub, staging)
    shelf.put("f", one, pull(client, staging, one))
    assert shelf.reserved() == {False: 8192}
    with staging.open(one.name) as file:
        file.write(0, b"x" * 8192)
    shelf.pull(one.change).begun = True
    assert shelf.reserved()[False] == 0


def test_what_is_replaced_becomes_old_bytes(hub, staging, shelf):
    one, two = entry(hub, staging), entry(hub, staging)
    shelf.put("f", one, None)
    shelf.put("f", one, None)
    assert staging.take_remains("f") == []
    shelf.put("f", two, None)
    assert staging.take_remains("f") == [one.name]
    shelf.put("f", None, None)
    assert staging.take_remains("f") == [two.name]


def test_a_success_leaves_no_remains(hub, staging, shelf):
    one = entry(hub, staging)
    shelf.put("f", one, None)
    shelf.committed(Item(one, one.change, True))
    assert shelf.paths() == set()
    assert staging.take_remains("f") == []


def test_an_overtaken_file_stays_ready(hub, staging, shelf):
    one = entry(hub, staging)
    shelf.put("f", one, None)
    shelf.committed(Item(one, one.change, True, overtaken=True))
    assert shelf.entry("f") == one


def test_a_failed_file_is_only_old_bytes(hub, staging, shelf):
    one = entry(hub, staging)
    shelf.put("f", one, None)
    shelf.committed(Item(one, one.change, True, error="f: no"))
    assert shelf.entry("f") is None
    assert staging.take_remains("f") == [one.name]


def test_what_may_be_somebody_elses_by_now_is_not_touched(hub, staging, shelf):
    one = entry(hub, staging)
    shelf.put("f", one, None)
    shelf.committed(Item(one, one.change, True, error="f: no", unsettled=True))
    assert staging.take_remains("f") == []
    assert one.name in staging.names()
