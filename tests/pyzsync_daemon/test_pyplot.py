import sys

import pytest

from pyzsync_daemon.errors import NoMatplotlib
from pyzsync_daemon.pyplot import load_pyplot


def test_it_draws_without_a_screen():
    pytest.importorskip("matplotlib", reason="an extra: pip install '.[plot]'")
    assert load_pyplot().get_backend().lower() == "agg"


def test_without_matplotlib_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(NoMatplotlib, match="matplotlib, which draws the picture"):
        load_pyplot()
