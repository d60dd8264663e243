"""A delta, part by part, from real trees into a real staging file."""

import random
from dataclasses import replace

import pytest

from protocol.messages import DeltaQuery
from pyzsync import BadDelta, VersionMismatch
from pyzsync.grid import LEAF, WINDOW
from pyzsync_daemon.client.replaying import Replaying
from pyzsync_daemon.client.sources import OldBytes, OldFile
from pyzsync_daemon.compression import CodedDataError
from tests.pyzsync_daemon.client.values import new_file

OLD = random.Random(4).randbytes(2 * WINDOW)
NEW = OLD[:700_000] + random.Random(5).randbytes(150_000) + OLD[700_000:]
LENGTH = len(NEW)


def delta(hub, old, new, size=50_000):
    """The parts that a hub makes."""
    return hub.delta(DeltaQuery(*(hub.file("f", data).version for data in (old, new))), size)


class Stage:
    """A client with the old file, and a staging file for the new one."""

    def __init__(self, client, old=OLD, length=LENGTH):
        (client.root / "f").write_bytes(old)
        self.replica = client.bench._replica
        self.old = OldBytes(self.replica, (OldFile("f", len(OLD)),))
        self.name = new_file(self.replica.staging, "f", b"v" * 32, length)
        self.length = length

    def run(self, parts):
        replaying = Replaying(parts[0], self.old, len(OLD), self.length)
        with self.old.opened(), self.replica.staging.open(self.name) as file:
            for part in parts:
                replaying.put(part, file)
            return replaying, replaying.finish(parts[0].query.new, file)

    @property
    def bytes(self):
        with self.replica.staging.open(self.name) as file:
            return file.read(0, self.length + 1)


def test_a_delta_makes_the_new_file(client, hub):
    parts = delta(hub, OLD, NEW)
    assert len(parts) == 4
    stage = Stage(client)
    replaying, tree = stage.run(parts)
    assert stage.bytes == NEW
    assert tree.version == parts[0].query.new
    assert replaying.literal_bytes < 150_000 + 3 * LEAF


def test_what_has_come_is_staged_when_the_rest_is_missing(client, hub):
    parts = delta(hub, OLD, NEW)
    stage = Stage(client)
    with pytest.raises(CodedDataError):
        stage.run(parts[:3])
    staged = stage.bytes
    assert staged[:790_000] == NEW[:790_000]


def test_columns_may_come_in_many_parts(client, hub):
    parts = delta(hub, OLD, NEW, size=7)[:40]
    stage = Stage(client)
    with pytest.raises(CodedDataError):
        stage.run(parts)
    assert len(parts) == 40


@pytest.mark.parametrize(
    "spoil",
    [
        lambda parts: [parts[0], parts[2]],
        lambda parts: [parts[0], replace(parts[1], parts=9)],
        lambda parts: [parts[0], replace(parts[1], size=9)],
        lambda parts: [parts[1]],
    ],
)
def test_parts_that_do_not_belong_together(client, hub, spoil):
    with pytest.raises(BadDelta):
        Stage(client).run(spoil(delta(hub, OLD, NEW)))


def test_a_delta_for_another_length(client, hub):
    with pytest.raises(BadDelta):
        Stage(client, length=LENGTH + 1).run(delta(hub, OLD, NEW))


@pytest.mark.parametrize("rot", [b"?" + OLD[1:], OLD[:900_000]])
def test_old_bytes_that_have_changed_are_noticed_in_staging(client, hub, rot):
    with pytest.raises(VersionMismatch):
        Stage(client, old=rot).run(delta(hub, OLD, NEW))
