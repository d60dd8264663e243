"""Hashlists that the hub sent unasked, kept for a while until their change asks for them."""

from __future__ import annotations

from collections import OrderedDict

from protocol.messages import Hashlist, Query
from pyzsync_daemon.client.requests import key

MAX_BYTES = 2**20  # four pages of the hub's pushes; a hashlist has at most a frame, 64 KiB


class Pushed:
    """Bounded in bytes; the oldest go first. What goes is asked for like any other."""

    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        self.bytes = 0
        self._max_bytes = max_bytes
        self._kept: OrderedDict[Query, Hashlist] = OrderedDict()

    def keep(self, hashlist: Hashlist) -> None:
        """Remember a hashlist; it replaces an equal one."""
        self.take(hashlist.query)
        self._kept[key(hashlist.query)] = hashlist
        self.bytes += _size(hashlist)
        while self.bytes > self._max_bytes:
            self.bytes -= _size(self._kept.popitem(last=False)[1])

    def take(self, query: Query) -> Hashlist | None:
        """The hashlist that answers ``query``, if it is here."""
        hashlist = self._kept.pop(key(query), None)
        if hashlist is not None:
            self.bytes -= _size(hashlist)
        return hashlist


def _size(hashlist: Hashlist) -> int:
    return 512 + len(hashlist.weak) + len(hashlist.strong)  # 512: the query and the table's slot
