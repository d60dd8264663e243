"""What was measured of one round, and of the whole load test."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any

from pyzsync_daemon.hub.counters import Counters
from pyzsync_daemon.loadtest.stats import Times


@dataclass(frozen=True, slots=True)
class Peer:
    """The same change by other means: seconds to each client's end, and processor time."""

    name: str
    times: Times
    cpu_s: float | None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Round:
    """One round. ``times``: from the last write on the hub to the verified replacement; ``heard``:
    to the arrival of the last of a client's bytes. ``bytes_per_client`` is the mean."""

    change: str
    times: Times
    heard: Times
    hub_cpu_s: float
    clients_cpu_s: float
    hub_peak_rss_bytes: int
    bytes_per_client: float
    least_bytes_per_client: int
    behind: int
    counters: Counters
    note: str = ""
    peers: tuple[Peer, ...] = ()
    latencies: tuple[float, ...] = field(default=(), repr=False)
    arrivals: tuple[float, ...] = field(default=(), repr=False)

    def peer(self, name: str) -> Peer | None:
        """One of the comparisons."""
        return next((each for each in self.peers if each.name == name), None)

    def as_json(self) -> dict[str, Any]:
        """Flat, with the names that scripts read."""
        bare = self.peer("bare")
        told: dict[str, Any] = {"change": self.change, "note": self.note}
        told |= {f"{key}_s": each for key, each in asdict(self.times).items()}
        told |= {f"heard_{key}_s": each for key, each in asdict(self.heard).items()}
        told |= {
            "hub_cpu_s": self.hub_cpu_s,
            "clients_cpu_s": self.clients_cpu_s,
            "bare_cpu_s": bare.cpu_s if bare else None,
            "bare_last_s": bare.times.last if bare else None,
            "hub_peak_rss_bytes": self.hub_peak_rss_bytes,
            "bytes_per_client": self.bytes_per_client,
            "least_bytes_per_client": self.least_bytes_per_client,
            "behind": self.behind,
            "counters": asdict(self.counters),
            "peers": [asdict(each) for each in self.peers],
            "latencies_s": list(self.latencies),
            "arrivals_s": list(self.arrivals),
        }
        return told


@dataclass(frozen=True, slots=True)
class Result:
    """The whole: ``verified`` is how many clients' trees were equal to the hub's at the end.

    ``hub_idle_cpu`` is the share of a processor that the hub takes while nothing changes; it is not
    in the rounds' ``hub_cpu_s``, which go on until the last client has acknowledged.
    """

    clients: int
    verified: int
    differences: tuple[str, ...]
    connect_s: float
    hub_idle_rss_bytes: int
    hub_idle_cpu: float
    hub_rss_per_client_bytes: float
    hub_peak_rss_bytes: int
    rounds: tuple[Round, ...]
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def against_bare(self) -> dict[str, float]:
        """Medians over the rounds: the hub as a multiple of the bare server, by what is measured.

        Empty without a bare server.
        """
        pairs = [(each, bare) for each in self.rounds if (bare := each.peer("bare")) is not None]
        if not pairs:
            return {}
        ratios = {
            "cpu": [each.hub_cpu_s / (bare.cpu_s or 1) for each, bare in pairs],
            "received": [each.heard.last / bare.times.last for each, bare in pairs],
            "in_place": [each.times.last / bare.times.last for each, bare in pairs],
        }
        return {name: median(values) for name, values in ratios.items()}

    @property
    def ok(self) -> bool:
        """Whether every client has the hub's bytes."""
        return self.verified == self.clients and not self.differences

    def as_json(self) -> dict[str, Any]:
        """For a file."""
        told = {key: value for key, value in asdict(self).items() if key not in ("rounds", "facts")}
        told["against_bare"] = self.against_bare
        return {**self.facts, **told, "rounds": [each.as_json() for each in self.rounds]}
