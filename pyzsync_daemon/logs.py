"""Log lines on standard error: coloured for a person at a terminal, JSON for everything else.

Standard output is left to results (``listening on ...``, what a command found).
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import MutableMapping
from typing import Final

import structlog
from structlog.typing import EventDict, Processor

from pyzsync_daemon.config import LogSettings
from pyzsync_daemon.units import format_bytes, printable

__all__ = ["applied", "applied_together", "setup"]

BYTES: Final = frozenset({"size", "fetched", "reused", "received", "sent"})
"""Keys whose values are amounts of bytes."""

_CHATTY: Final = ("websockets", "watchfiles", "asyncio")  # at info they tell of every connection


def setup(settings: LogSettings) -> None:
    """Configure structlog and what libraries log through ``logging``. May be called again."""
    level = logging.getLevelNamesMapping()[settings.level.upper()]
    human = settings.format == "human" or (settings.format == "auto" and sys.stderr.isatty())
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="%H:%M:%S" if human else "iso", utc=not human),
            *(_human() if human else _json()),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=_Stderr,
        cache_logger_on_first_use=False,
    )
    logging.basicConfig(handlers=[_Forward()], level=level, force=True)
    for name in _CHATTY:
        logging.getLogger(name).setLevel(level if level < logging.INFO else logging.WARNING)


def applied(
    *, path: str, kind: str, size: int, fetched: int, reused: int, ms: float, conflict: str = ""
) -> None:
    """The line for one change in place: ``fetched`` and ``reused`` bytes, ``ms`` milliseconds.

    ``conflict`` is where a local edit was kept aside. This is the one place that knows its shape.
    """
    aside = {"conflict": conflict} if conflict else {}
    structlog.get_logger().info(
        "applied",
        path=path,
        kind=kind,
        size=size,
        fetched=fetched,
        reused=reused,
        ms=round(ms, 1),
        **aside,
    )


def applied_together(*, count: int, size: int, fetched: int, reused: int, ms: float) -> None:
    """The line for many changes put in place at once; ``ms`` is the longest wait of any."""
    structlog.get_logger().info(
        "applied together",
        count=count,
        size=size,
        fetched=fetched,
        reused=reused,
        ms=round(ms, 1),
    )


def _human() -> list[Processor]:
    renderer = structlog.dev.ConsoleRenderer(
        colors=sys.stderr.isatty(),
        sort_keys=False,
        pad_event_to=12,
        exception_formatter=structlog.dev.plain_traceback,  # the rich one shows locals: tokens
    )
    return [_for_people, renderer]


def _json() -> list[Processor]:
    return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(json.dumps)]


def _for_people(_logger: object, _method: str, event: EventDict) -> MutableMapping[str, object]:
    return {key: _plain(key, value) for key, value in event.items()}


def _plain(key: str, value: object) -> object:
    if key in BYTES and isinstance(value, int):
        return format_bytes(value)
    if isinstance(value, str):
        return printable(value)
    return value


class _Stderr:
    """Writes lines to what standard error is now: a progress bar puts itself in its place."""

    def __init__(self, *_args: object) -> None:
        pass

    def msg(self, line: str) -> None:
        try:
            sys.stderr.write(line + "\n")
            sys.stderr.flush()
        except OSError:
            return  # the reader of the log went away: no reason to stop the daemon

    debug = info = warning = error = critical = exception = msg


class _Forward(logging.Handler):
    """Carries what libraries log over to structlog, so that all lines have one form."""

    def emit(self, record: logging.LogRecord) -> None:
        structlog.get_logger().log(
            record.levelno, record.getMessage(), logger=record.name, exc_info=record.exc_info
        )
