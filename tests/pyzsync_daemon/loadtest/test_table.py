import io

from rich.console import Console

from pyzsync_daemon.loadtest.rounds import Peer
from pyzsync_daemon.loadtest.table import show
from tests.pyzsync_daemon.loadtest.values import BARE, TIMES, counters, result_of, round_of


def shown(result):
    stream = io.StringIO()
    show(result, Console(file=stream, width=80))
    return [" ".join(line.replace("│", " ").split()) for line in stream.getvalue().splitlines()]


def test_a_round_and_its_peers_fit_eighty_columns():
    daemons = Peer("20 daemons", TIMES, None)
    lines = shown(result_of(round_of(peers=(daemons, BARE))))
    assert "What each change cost, with 3 clients" in lines
    assert "1 edit 10 ms 20 ms 30 ms 40 ms 60 ms 106 kB 105 kB" in lines
    assert "received 10 ms 20 ms 30 ms 40 ms" in lines
    assert "20 daemons 10 ms 20 ms 30 ms 40 ms" in lines
    assert "bare 1 ms 2 ms 3 ms 4 ms 50 ms" in lines


def test_below_it_is_what_the_hub_tells():
    told = counters(reads=10, searches=1, encodes=2, cache_hits=7, cache_misses=2, coalesced=1)
    text = " ".join(shown(result_of(round_of(counters=told, behind=4, note="one pulls"))))
    assert (
        "1: 4 clients behind; 10 reads, 1 searches, 2 encodes; 10 asked (7 cache hits, 1 "
        "coalesced); 0 deltas dropped, 0 clients cut; hub peak 80 MB; CPU of all clients 700 ms"
    ) in text
    assert (
        "Connected and level after 1.5 s. The hub: 60 MB without clients, 20 kB for each, 80 MB at "
        "the most; 2.0% of a processor while nothing changes."
    ) in text
    assert "All 3 replicas equal the hub's tree, byte by byte." in text
    assert "one pulls" in text
    assert (
        "Against the bare server (medians): 1.2 times its CPU; the last client has received its "
        "bytes after 10.0 times, and has them in place after 10.0 times as long."
    ) in text
    assert "Against the bare server" not in " ".join(shown(result_of(round_of(peers=()))))


def test_what_differs_is_named_up_to_ten():
    wrong = tuple(f"client {number} of worker 0: f" for number in range(12))
    lines = shown(result_of(clients=20, verified=8, differences=wrong))
    assert "12 of 20 replicas DIFFER:" in lines
    assert "client 9 of worker 0: f" in lines
    assert "client 10 of worker 0: f" not in lines
