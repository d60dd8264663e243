"""What the hub made once and keeps for the next who ask: bounded in bytes, whatever it is."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Kept(Generic[K, V]):
    """Values by key, from any thread; ``size(value)`` bytes each, least recently used go first.

    ``topic(key)`` names what a value is about (nothing: empty), so that all of a topic can be
    dropped when it is of no use any more, long before they would be the least recently used.
    """

    def __init__(
        self,
        max_bytes: int,
        size: Callable[[V], int],
        topic: Callable[[K], bytes] = lambda _: b"",
    ) -> None:
        self.max_bytes = max_bytes
        self.bytes = 0
        self._size = size
        self._topic = topic
        self._values: OrderedDict[K, V] = OrderedDict()
        self._topics: dict[bytes, set[K]] = {}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._values)

    def get(self, key: K) -> V | None:
        """The value of ``key``, which is in use again."""
        with self._lock:
            value = self._values.get(key)
            if value is not None:
                self._values.move_to_end(key)
            return value

    def put(self, key: K, value: V) -> None:
        """Keep a value in place of what ``key`` had; not if it is larger than all may be."""
        with self._lock:
            self._remove(key)
            if self._size(value) > self.max_bytes:
                return
            self._values[key] = value
            self.bytes += self._size(value)
            if topic := self._topic(key):
                self._topics.setdefault(topic, set()).add(key)
            while self.bytes > self.max_bytes:
                self._remove(next(iter(self._values)))

    def drop(self, topic: bytes) -> None:
        """Drop all of a topic."""
        with self._lock:
            for key in tuple(self._topics.get(topic, ())):
                self._remove(key)

    def _remove(self, key: K) -> None:
        value = self._values.pop(key, None)
        if value is None:
            return
        self.bytes -= self._size(value)
        if topic := self._topic(key):
            keys = self._topics[topic]
            keys.discard(key)
            if not keys:
                del self._topics[topic]
