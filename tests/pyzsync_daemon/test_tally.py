from concurrent.futures import ThreadPoolExecutor

from pyzsync_daemon.tally import Tally


def test_no_count_is_lost_between_threads():
    tally = Tally()
    with ThreadPoolExecutor(4) as pool:
        for _ in range(4):
            pool.submit(lambda: [tally.add(3) for _ in range(5000)])
    assert (tally.count, tally.bytes) == (20_000, 60_000)
