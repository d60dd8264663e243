"""What a hub tells of itself in its log when it is sent SIGUSR1."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields

EVENT = "counters"


@dataclass(frozen=True, slots=True)
class Counters:
    """The figures of one line. Those of the moment: ``GAUGES``; all others only grow."""

    clients: int = 0
    behind: int = 0
    hash_passes: int = 0
    hashed_bytes: int = 0
    reads: int = 0
    read_bytes: int = 0
    searches: int = 0
    encodes: int = 0
    cache_hits: int = 0
    cache_misses: int = 0
    coalesced: int = 0
    cache_bytes: int = 0
    pages: int = 0
    bytes_out: int = 0
    frames_out: int = 0
    inflight_bytes: int = 0
    pushes_dropped: int = 0
    slow_cut: int = 0
    refused: int = 0

    def since(self, before: Counters) -> Counters:
        """What happened between two lines; gauges as they are now."""
        names = [field.name for field in fields(self)]
        changed = {name: getattr(self, name) - getattr(before, name) for name in names}
        changed.update((name, getattr(self, name)) for name in GAUGES)
        return Counters(**changed)


GAUGES = frozenset({"clients", "behind", "cache_bytes", "inflight_bytes"})


def parse(line: str) -> Counters | None:
    """The counters of a log line; None if it is another line. ValueError if one is missing."""
    if EVENT not in line or not line.startswith("{"):
        return None
    told = json.loads(line)
    if told.get("event") != EVENT:
        return None
    names = [field.name for field in fields(Counters)]
    missing = [name for name in names if not isinstance(told.get(name), int)]
    if missing:
        raise ValueError(f"the hub's counters lack {', '.join(missing)}")
    return Counters(**{name: told[name] for name in names})
