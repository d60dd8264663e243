"""Hashlists and deltas that the hub sent unasked, kept until their change asks for them."""

from __future__ import annotations

from collections import OrderedDict

from protocol.messages import Delta, Hashlist, Query
from pyzsync_daemon.client.requests import key

MAX_BYTES = 6 * 2**20  # what a hub pushes with three pages at the most


class Pushed:
    """Bounded in bytes; the oldest go first. What goes is asked for like any other."""

    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        self.bytes = 0
        self._max_bytes = max_bytes
        self._kept: OrderedDict[Query, list[Hashlist | Delta]] = OrderedDict()  # parts in order

    def keep(self, message: Hashlist | Delta) -> None:
        """Remember a hashlist or the next part of a delta; a new one replaces an equal one."""
        name = key(message.query)
        if isinstance(message, Delta) and message.part:
            if not _continues(self._kept.get(name, []), message):
                self._drop(name)
                return
            self._kept[name].append(message)
            self._kept.move_to_end(name)
        else:
            self._drop(name)
            self._kept[name] = [message]
        self.bytes += _size(message)
        while self.bytes > self._max_bytes:
            self._drop(next(iter(self._kept)))

    def take(self, query: Query) -> list[Hashlist | Delta]:
        """The messages that answer ``query``, if all of them are here."""
        kept = self._drop(key(query))
        if kept and isinstance(kept[0], Delta) and len(kept) < kept[0].parts:
            return []
        return kept

    def _drop(self, name: Query) -> list[Hashlist | Delta]:
        kept = self._kept.pop(name, [])
        self.bytes -= sum(map(_size, kept))
        return kept


def _continues(kept: list[Hashlist | Delta], part: Delta) -> bool:
    """Is it the next part of the delta whose first ones are here?"""
    if len(kept) != part.part or not isinstance(kept[0], Delta):
        return False
    first = kept[0]
    return (first.parts, first.coding, first.size) == (part.parts, part.coding, part.size)


def _size(message: Hashlist | Delta) -> int:
    if isinstance(message, Delta):
        return 512 + len(message.data)  # 512: the query and the table's slot
    return 512 + len(message.weak) + len(message.strong)
