import os
import threading

import pytest

from pyzsync_daemon.cores import LARGE, cores


def test_small_work_has_no_threads():
    with cores(LARGE - 1) as executor:
        assert executor is None


@pytest.mark.parametrize("count", [None, 1])
def test_one_core_has_no_threads(monkeypatch, count):
    monkeypatch.setattr(os, "cpu_count", lambda: count)
    with cores(LARGE) as executor:
        assert executor is None


def test_large_work_has_a_thread_a_core_and_leaves_none(monkeypatch):
    monkeypatch.setattr(os, "cpu_count", lambda: 3)
    together = threading.Barrier(3, timeout=20)
    with cores(LARGE) as executor:
        places = list(executor.map(lambda _: together.wait(), range(3)))
    assert sorted(places) == [0, 1, 2]
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("cores")]
