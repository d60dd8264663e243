import resource

import pytest

from pyzsync_daemon.descriptors import OTHERS, make_room, raise_limit

INFINITE = resource.RLIM_INFINITY


@pytest.mark.parametrize(
    ("soft", "hard", "raised", "told"),
    [
        (1024, 65536, 2000 + OTHERS, False),
        (1024, INFINITE, 2000 + OTHERS, False),
        (1024, 2048, 2048, True),
        (65536, 65536, None, False),
        (INFINITE, INFINITE, None, False),
    ],
)
def test_the_limit_is_raised_as_far_as_need_be(monkeypatch, soft, hard, raised, told):
    done = []
    monkeypatch.setattr(resource, "getrlimit", lambda _: (soft, hard))
    monkeypatch.setattr(resource, "setrlimit", lambda _, limits: done.append(limits))
    sentence = make_room(2000)
    assert done == ([] if raised is None else [(raised, hard)])
    assert sentence.startswith("max_clients = 2000 may not fit") is told


def test_without_a_number_it_is_raised_as_far_as_it_goes(monkeypatch):
    done = []
    monkeypatch.setattr(resource, "getrlimit", lambda _: (1024, 20_000))
    monkeypatch.setattr(resource, "setrlimit", lambda _, limits: done.append(limits))
    assert raise_limit() == 20_000
    assert done == [(20_000, 20_000)]
