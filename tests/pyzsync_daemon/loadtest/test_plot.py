import sys

import pytest

from pyzsync_daemon.errors import NoMatplotlib
from pyzsync_daemon.loadtest.plot import draw
from tests.pyzsync_daemon.loadtest.values import result_of, round_of


def test_a_picture_is_drawn(tmp_path):
    pytest.importorskip("matplotlib", reason="an extra: pip install '.[plot]'")
    draw(result_of(round_of(), round_of("burst", peers=(), latencies=())), tmp_path / "times.png")
    assert (tmp_path / "times.png").read_bytes().startswith(b"\x89PNG")


def test_without_matplotlib_it_says_so(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(NoMatplotlib):
        draw(result_of(), tmp_path / "times.png")
