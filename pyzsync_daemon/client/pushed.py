"""Hashlists and deltas that the hub sent unasked, kept until their change asks for them."""

from __future__ import annotations

from collections import OrderedDict

from protocol.messages import Delta, Hashlist, Query
from pyzsync_daemon.client.requests import key

MAX_BYTES = 4 * 2**20  # what a hub pushes with three pages at the most


class Pushed:
    """Bounded in bytes; the oldest go first. What goes is asked for like any other."""

    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        self.bytes = 0
        self._max_bytes = max_bytes
        self._kept: OrderedDict[Query, list[Hashlist | Delta]] = OrderedDict()

    def keep(self, message: Hashlist | Delta) -> None:
        """Remember a hashlist or the next part of a delta; a new one replaces an equal one."""
        name = key(message.query)
        before: list[Hashlist | Delta] = []
        if isinstance(message, Delta) and message.part:
            before = self._kept.pop(name, [])
            self.bytes -= sum(map(_size, before))
            if message.part != len(before):
                return  # its beginning has gone
        else:
            self.take(message.query)
        self._kept[name] = [*before, message]
        self.bytes += sum(map(_size, self._kept[name]))
        while self.bytes > self._max_bytes:
            self.bytes -= sum(map(_size, self._kept.popitem(last=False)[1]))

    def take(self, query: Query) -> list[Hashlist | Delta]:
        """The messages that answer ``query``, if all of them are here."""
        kept = self._kept.pop(key(query), [])
        self.bytes -= sum(map(_size, kept))
        if kept and isinstance(kept[0], Delta) and len(kept) < kept[0].parts:
            return []
        return kept


def _size(message: Hashlist | Delta) -> int:
    if isinstance(message, Delta):
        return 512 + len(message.data)  # 512: the query and the table's slot
    return 512 + len(message.weak) + len(message.strong)
