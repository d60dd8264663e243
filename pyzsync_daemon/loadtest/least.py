"""The fewest bytes that a change could cost each client: a yardstick, not a promise.

One announcement of all its paths, and for each changed file the smaller of two: its delta from the
version before, or its bytes, compressed. Both are made by the hub's own code, and encoded as the
hub encodes them. There are no hashlists in it, no answers that name blocks, and no second try.
"""

from __future__ import annotations

from collections.abc import Iterable

from protocol import runs
from protocol.codec import announce_frames, encode
from protocol.messages import BlockQuery, Change, DeltaQuery, Kind, Position
from pyzsync import Runs
from pyzsync.grid import LEAF, WINDOW, node_count, window_bytes, window_count
from pyzsync_daemon.hub.deltas import ASKED, make_delta
from pyzsync_daemon.hub.source import make_blocks
from pyzsync_daemon.loadtest.changes import Edit, tree_of


def least_bytes(edits: Iterable[Edit]) -> int:
    """Bytes from the hub to one client, without the headers of WebSocket frames."""
    messages: list[bytes] = []
    changes: list[Change] = []
    moved = {edit.old for edit in edits if edit.new is None}
    for seq, edit in enumerate(edits, 1):
        changes.append(_change(seq, edit))
        if edit.new is not None and edit.new not in moved:
            messages += _content(edit)
    messages += announce_frames(changes, Position(bytes(16), 1, bytes(32)))
    return sum(map(len, messages))


def _change(seq: int, edit: Edit) -> Change:
    if edit.new is None or edit.tree is None:
        return Change(seq, edit.path, Kind.ABSENT)
    follows = tree_of(edit.old).version if edit.old is not None else b""
    version, size = edit.tree.version, len(edit.new)
    return Change(
        seq, edit.path, Kind.FILE, 0o644, 2**60, size=size, version=version, follows=follows
    )


def _content(edit: Edit) -> list[bytes]:
    """A file's messages, whichever way is shorter."""
    assert edit.new is not None and edit.tree is not None
    data, tree = edit.new, edit.tree
    whole: list[bytes] = []
    for window in range(window_count(len(data))):
        size = window_bytes(len(data), window)
        query = BlockQuery(tree.version, window, runs.whole(node_count(size, 0)))
        part = data[window * WINDOW : window * WINDOW + size]
        whole += [encode(each) for each in make_blocks(query, part)]
    if not edit.old:
        return whole

    def read(window: int, leaves: Runs) -> bytes:
        end = window * WINDOW + window_bytes(len(data), window)
        spans = (
            (window * WINDOW + start * LEAF, window * WINDOW + stop * LEAF)
            for start, stop in leaves
        )
        return b"".join(data[start : min(stop, end)] for start, stop in spans)

    old = tree_of(edit.old)
    parts = make_delta(DeltaQuery(old.version, tree.version), old, tree, read, ASKED)
    delta = [encode(part) for part in parts or []]
    return delta if delta and sum(map(len, delta)) < sum(map(len, whole)) else whole
