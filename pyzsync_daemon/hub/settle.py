"""When each dirty path is due. Pure; times are seconds of any clock that does not go back.

The first change of a calm path is due at once: waiting for it to be quiet would make every edit
late. After that a path rests before it is read again, each time twice as long while it goes on
changing, so a file written all the time is announced at intervals and costs a bounded share of the
disk; one that cannot be read between two writes is tried at the same intervals.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

PATIENCE = 5
"""Reads in a row that met a write before it is reported: most copies are over by then."""

SHARE = 4
"""A path rests this many times as long as it took to read, so it gets a fifth of a lane at most."""


@dataclass(frozen=True, slots=True)
class _Rest:
    until: float
    length: float
    failures: int = 0


class Settle:
    """Dirty paths and when they are due. ``rest_s`` is the first rest, ``longest_s`` the last."""

    def __init__(self, rest_s: float, longest_s: float) -> None:
        self._rest_s = rest_s
        self._longest_s = longest_s
        self._due: dict[str, float] = {}
        self._noticed: dict[str, float] = {}
        self._rests: dict[str, _Rest] = {}
        self._sweep_at = 0.0

    def add(self, paths: Iterable[str], now: float, gone: Collection[str] = ()) -> None:
        """Paths changed. Those that are ``gone`` do not rest: there is nothing to read, and the old
        name of a renamed file is to be told with the new one."""
        for path in paths:
            self._noticed.setdefault(path, now)
            if path in gone:
                self._due[path] = now
            else:
                self._schedule(path, now)

    def later(self, paths: Iterable[str], now: float, delay: float) -> None:
        """Look at paths again though nothing is known to have changed."""
        for path in paths:
            self._schedule(path, now + delay)

    def ready(self, now: float) -> tuple[set[str], float]:
        """Take the paths that are due, and the time at which the first of them was noticed."""
        if now >= self._sweep_at:
            self._sweep(now)
        paths = {path for path, due in self._due.items() if due <= now}
        since = now
        for path in paths:
            del self._due[path]
            since = min(since, self._noticed.pop(path, now))
        return paths, since

    def next_due(self) -> float | None:
        """When ``ready`` has something."""
        return min(self._due.values(), default=None)

    def published(self, path: str, now: float, cost: float = 0.0) -> None:
        """The path was read in ``cost`` seconds, and had changed."""
        self._rests[path] = self._next_rest(path, now, cost, failures=0)

    def unsettled(self, path: str, now: float, cost: float = 0.0) -> bool:
        """Reading met a write; it is tried again by itself. Whether to report that now."""
        last = self._rests.get(path)
        failures = 1 + (last.failures if last else 0)
        self._rests[path] = self._next_rest(path, now, cost, failures)
        self._noticed.setdefault(path, now)
        self._schedule(path, now)
        return failures == PATIENCE

    def clear(self) -> None:
        """Forget everything: the whole tree will be scanned."""
        self._due.clear()
        self._noticed.clear()

    def _schedule(self, path: str, at: float) -> None:
        rest = self._rests.get(path)
        due = max(at, rest.until) if rest else at
        self._due[path] = min(due, self._due.get(path, due))

    def _next_rest(self, path: str, now: float, cost: float, failures: int) -> _Rest:
        last = self._rests.get(path)
        # One rest without a change, and the path counts as calm again.
        calm = last is None or now > last.until + last.length
        length = self._rest_s if last is None or calm else min(2 * last.length, self._longest_s)
        length = max(length, SHARE * cost)
        return _Rest(now + length, length, failures)

    def _sweep(self, now: float) -> None:
        kept = self._rests.items()
        self._rests = {
            path: rest
            for path, rest in kept
            if now <= rest.until + rest.length or path in self._due
        }
        self._sweep_at = now + self._longest_s
