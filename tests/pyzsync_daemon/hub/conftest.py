"""A hub's disk side with nothing simulated: a root, an index, a tree store."""

import io

import pytest

from protocol.messages import Change, Kind
from pyzsync.tree import hash_stream
from pyzsync_daemon.files.root import Root
from pyzsync_daemon.files.trees import TreeStore
from pyzsync_daemon.hub.index import HubIndex
from pyzsync_daemon.hub.records import Record


class Disk:
    """Publishes files as the publisher would: write, hash, keep the tree, commit."""

    def __init__(self, directory, tombstones=100_000):
        self.path = directory / "root"
        self.path.mkdir()
        self.root = Root(self.path)
        self.index = HubIndex(directory / "index.db", tombstones=tombstones)
        self.store = TreeStore(directory / "trees")

    def close(self):
        self.index.close()
        self.root.close()

    def publish(self, path, data, base=None):
        """Write and announce a file; returns its tree."""
        target = self.path / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
        tree = hash_stream(io.BytesIO(data).read, len(data), base)
        self.store.save(tree)
        self.commit(Change(0, path, Kind.FILE, 0o644, 1, len(data), tree.version))
        return tree

    def commit(self, *changes):
        return self.index.commit([Record(change) for change in changes])

    def directories(self, *paths):
        return self.commit(*(Change(0, path, Kind.DIRECTORY, 0o755, 1) for path in paths))

    def delete(self, *paths):
        for path in paths:
            (self.path / path).unlink(missing_ok=True)
        return self.commit(*(Change(0, path, Kind.ABSENT) for path in paths))


@pytest.fixture
def disk(tmp_path):
    disk = Disk(tmp_path)
    yield disk
    disk.close()
