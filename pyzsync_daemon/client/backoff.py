"""When to connect again: full jitter every time, so that a thousand clients do not come as one.

The idea is from "Exponential Backoff and Jitter" (AWS Architecture Blog, 2015).
"""

from __future__ import annotations

from collections.abc import Callable


class Backoff:
    """Seconds to wait. ``uniform(low, high)`` draws a number, as ``random.uniform`` does."""

    def __init__(
        self, shortest: float, longest: float, uniform: Callable[[float, float], float]
    ) -> None:
        self._shortest = shortest
        self._longest = longest
        self._uniform = uniform
        self._tries = 0

    def reset(self) -> None:
        """A connection stood: the next failure starts from the shortest wait."""
        self._tries = 0

    def next(self, retry_after: float = 0.0) -> float:
        """The next wait: anywhere up to a ceiling that doubles, after what the hub asked for."""
        ceiling = min(self._longest, self._shortest * 2 ** min(self._tries, 32))
        self._tries += 1
        return retry_after + self._uniform(0.0, ceiling)
