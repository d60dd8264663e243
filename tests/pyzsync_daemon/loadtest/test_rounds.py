import json

from tests.pyzsync_daemon.loadtest.values import BARE, result_of, round_of


def test_a_round_is_told_flat():
    told = round_of().as_json()
    names = ("change", "first_s", "p50_s", "p99_s", "last_s", "hub_cpu_s", "bare_cpu_s")
    assert [told[name] for name in names] == ["edit", 0.01, 0.02, 0.03, 0.04, 0.06, 0.05]
    names = ("bare_last_s", "bytes_per_client", "least_bytes_per_client", "behind")
    assert [told[name] for name in names] == [0.004, 106_000.4, 105_000, 0]
    assert (told["heard_last_s"], told["counters"]["reads"]) == (0.04, 10)
    assert told["latencies_s"] == [0.01, 0.02, 0.04]
    assert told["arrivals_s"] == [0.01, 0.02, 0.03]


def test_without_a_bare_server_its_figures_are_null():
    told = round_of(peers=()).as_json()
    assert (told["bare_cpu_s"], told["bare_last_s"]) == (None, None)


def test_peers_are_found_by_name():
    assert round_of().peer("bare") is BARE
    assert round_of().peer("rsync") is None


def test_a_result_is_a_json_object():
    told = json.loads(json.dumps(result_of().as_json()))
    assert (told["clients"], told["verified"], told["hub_peak_rss_bytes"]) == (3, 3, 80_000_000)
    assert [each["change"] for each in told["rounds"]] == ["edit"]
    assert told["options"] == {"clients": 3}


def test_one_client_that_differs_is_not_ok():
    assert result_of().ok
    assert not result_of(verified=2, differences=("client 0 of worker 0: f",)).ok
