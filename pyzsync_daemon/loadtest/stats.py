"""Many times as a few: first, median, 99th percentile, last."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Times:
    """Seconds; of an empty set, all are 0."""

    first: float = 0.0
    p50: float = 0.0
    p99: float = 0.0
    last: float = 0.0

    @classmethod
    def of(cls, seconds: Iterable[float]) -> Times:
        """The figures of these times."""
        ordered = sorted(seconds)
        if not ordered:
            return cls()
        return cls(ordered[0], quantile(ordered, 0.5), quantile(ordered, 0.99), ordered[-1])


def quantile(ordered: Sequence[float], share: float) -> float:
    """The smallest value that at least ``share`` of all do not exceed (nearest rank)."""
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def mean(values: Sequence[float]) -> float:
    """The mean; 0 of nothing."""
    return sum(values) / len(values) if values else 0.0
