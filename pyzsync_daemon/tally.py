"""Counting from any thread."""

from __future__ import annotations

import threading


class Tally:
    """How many times something was done, and the bytes of it together."""

    def __init__(self) -> None:
        self.count = 0
        self.bytes = 0
        self._lock = threading.Lock()  # += alone loses counts between threads

    def add(self, size: int = 0) -> None:
        """Once more, with ``size`` bytes."""
        with self._lock:
            self.count += 1
            self.bytes += size
