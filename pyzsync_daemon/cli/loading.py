"""``pyzsync loadtest``: from what was typed to the options of a load test."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pyzsync_daemon.loadtest.changes import KINDS
from pyzsync_daemon.loadtest.options import HERDS, BadOptions, Options
from pyzsync_daemon.loadtest.run import run_load_test
from pyzsync_daemon.units import parse_bytes

__all__ = ["kinds_of", "load_test"]

_AMOUNTS = ("file_size", "change_size", "fair")


def load_test(changes: Iterable[str], typed: Mapping[str, Any]) -> None:
    """Run it with what was typed. ``BadOptions`` if that makes no sense."""
    options = dict(typed)
    for key in _AMOUNTS:
        try:
            options[key] = parse_bytes(options[key])
        except ValueError as error:
            raise BadOptions(f"--{key.replace('_', '-')}: {error}") from None
    run_load_test(Options(changes=kinds_of(changes), **options))


def kinds_of(changes: Iterable[str]) -> tuple[str, ...]:
    """``all`` stands for every kind, ``herds`` for those in which all come at once."""
    groups = {"all": tuple(KINDS), "herds": HERDS}
    return tuple(kind for change in changes for kind in groups.get(change, (change,)))
