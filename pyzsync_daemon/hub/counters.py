"""What the hub has done, in numbers. Each part keeps its own; here they get their names."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import structlog


@dataclass(slots=True)
class Traffic:
    """What the connections of a hub count together."""

    frames: int = 0
    sent: int = 0  # bytes
    pushes_dropped: int = 0
    slow_cut: int = 0

    def count(self, frame: bytes, clients: int = 1) -> None:
        """A frame goes out, to so many."""
        self.frames += clients
        self.sent += clients * len(frame)


@dataclass(frozen=True, slots=True)
class Counters:
    """A hub at one moment. All but the first two, and those that say "now", only grow."""

    clients: int  # connected now
    behind: int  # of them, those that have yet to acknowledge a change
    hash_passes: int  # files hashed from end to end
    hashed_bytes: int
    reads: int  # of published files, for block sets and deltas
    read_bytes: int
    searches: int  # deltas searched
    encodes: int  # block sets and deltas compressed and encoded
    cache_hits: int  # questions answered by what was kept,
    cache_misses: int  # by making the answer,
    coalesced: int  # by waiting for an answer that was being made,
    deltas_refused: int  # or told to do without a delta, since too many were being made
    cache_bytes: int  # answers kept now
    pages: int  # pages of the announcement log encoded
    bytes_out: int  # frames handed to connections, before WebSocket headers and TLS
    frames_out: int
    inflight_bytes: int  # of the budget of all clients, held now
    pushes_dropped: int  # pages sent without their deltas, to clients that were slow
    slow_cut: int  # clients cut because they did not read
    refused: int  # handshakes turned away

    def log(self) -> None:
        """The log line, which has exactly these fields."""
        structlog.get_logger().info("counters", **asdict(self))
