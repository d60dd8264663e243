"""Matplotlib, for those commands that draw: optional, and only imported when it is asked for."""

from __future__ import annotations

from typing import Any

from pyzsync_daemon.errors import NoMatplotlib

__all__ = ["load_pyplot"]


def load_pyplot() -> Any:  # noqa: ANN401 - matplotlib is optional, so its types are not here
    """Its ``pyplot``, drawing into files, on machines without a screen. ``NoMatplotlib``."""
    try:
        import matplotlib
    except ImportError as error:
        raise NoMatplotlib from error
    matplotlib.use("Agg")
    from matplotlib import pyplot

    return pyplot
