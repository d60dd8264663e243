import random

import pytest

from protocol import runs
from protocol.errors import BadMessage, Code, ProtocolError
from protocol.messages import HashQuery
from pyzsync.grid import LEAF, WINDOW, strong_width
from pyzsync_daemon.hub.hashlists import cut_hashlist


def noise(size, seed=0):
    return random.Random(seed).randbytes(size)


def ask(tree, level, *asked, window=0, since=None):
    version = since.version if since is not None else b""
    return cut_hashlist(
        tree, HashQuery(tree.version, level, window, runs.encode(asked), version), since
    )


def test_the_asked_nodes_cut_to_their_width(disk):
    tree = disk.publish("a", noise(WINDOW + 3 * LEAF))
    hashlist = ask(tree, 0, (0, 1), (2, 3), window=1)
    width = strong_width(tree.length)
    chosen = [4096, 4098]
    assert hashlist.width == width
    assert hashlist.weak == tree.hashes(0).weak[chosen].tobytes()
    assert hashlist.strong == tree.hashes(0).strong[chosen, :width].tobytes()


def test_only_what_differs_is_listed(disk):
    data = noise(40 * LEAF)
    before = disk.publish("a", data)
    tree = disk.publish("a", data[: 7 * LEAF] + b"!" + data[7 * LEAF + 1 :] + b"more")
    hashlist = ask(tree, 0, (0, 41), since=before)
    assert runs.decode(hashlist.query.nodes) == [(7, 8), (40, 41)]
    assert ask(tree, 0, (0, 7), since=before).weak == b""


@pytest.mark.parametrize(("level", "window"), [(9, 0), (0, 1)])
def test_what_the_tree_has_not(disk, level, window):
    tree = disk.publish("a", noise(5000))
    with pytest.raises(BadMessage):
        ask(tree, level, (0, 1), window=window)


def test_a_version_that_cannot_be_compared_with(disk):
    tree = disk.publish("a", noise(50_000))
    query = HashQuery(tree.version, 2, 0, runs.whole(1), bytes(32))
    short = disk.publish("b", b"short")
    for since in (None, short):
        with pytest.raises(ProtocolError) as caught:
            cut_hashlist(tree, query, since)
        assert caught.value.code is Code.UNKNOWN_VERSION
