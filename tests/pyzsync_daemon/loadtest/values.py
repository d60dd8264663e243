"""Rounds and results with what a test does not care about filled in."""

from dataclasses import fields

from pyzsync_daemon.hub.counters import Counters
from pyzsync_daemon.loadtest.rounds import Peer, Result, Round
from pyzsync_daemon.loadtest.stats import Times

TIMES = Times(0.01, 0.02, 0.03, 0.04)
BARE = Peer("bare", Times(0.001, 0.002, 0.003, 0.004), 0.05)


def counters(**figures):
    return Counters(**{field.name: 0 for field in fields(Counters)} | figures)


def round_of(change="edit", **facts):
    given = {
        "times": TIMES,
        "heard": TIMES,
        "hub_cpu_s": 0.06,
        "clients_cpu_s": 0.7,
        "hub_peak_rss_bytes": 80_000_000,
        "bytes_per_client": 106_000.4,
        "least_bytes_per_client": 105_000,
        "behind": 0,
        "counters": counters(reads=10, searches=1, encodes=1, cache_hits=3, cache_misses=2),
        "peers": (BARE,),
        "latencies": (0.01, 0.02, 0.04),
        "arrivals": (0.01, 0.02, 0.03),
    }
    return Round(change, **given | facts)


def result_of(*rounds, **facts):
    given = {
        "clients": 3,
        "verified": 3,
        "differences": (),
        "connect_s": 1.5,
        "hub_idle_rss_bytes": 60_000_000,
        "hub_idle_cpu": 0.02,
        "hub_rss_per_client_bytes": 20_480.0,
        "hub_peak_rss_bytes": 80_000_000,
        "facts": {"options": {"clients": 3}},
    }
    return Result(rounds=rounds or (round_of(),), **given | facts)
