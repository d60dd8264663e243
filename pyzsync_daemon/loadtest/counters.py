"""Reads the line in which a hub tells its counters, and what happened between two of them."""

from __future__ import annotations

import json
from dataclasses import fields

from pyzsync_daemon.hub.counters import Counters

EVENT = "counters"
GAUGES = frozenset({"clients", "behind", "cache_bytes", "inflight_bytes"})
"""Those of the moment; all others only grow."""

_NAMES = tuple(field.name for field in fields(Counters))


def parse(line: str) -> Counters | None:
    """The counters of a log line; None if it is another line. ValueError if one is missing."""
    if not line.startswith("{") or EVENT not in line:
        return None
    told = json.loads(line)
    if told.get("event") != EVENT:
        return None
    missing = [name for name in _NAMES if not isinstance(told.get(name), int)]
    if missing:
        raise ValueError(f"the hub's counters lack {', '.join(missing)}")
    return Counters(**{name: told[name] for name in _NAMES})


def between(before: Counters, after: Counters) -> Counters:
    """What happened from one to the other; gauges as they are afterwards."""
    changed = {name: getattr(after, name) for name in _NAMES}
    for name in _NAMES:
        if name not in GAUGES:
            changed[name] -= getattr(before, name)
    return Counters(**changed)
