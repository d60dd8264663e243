"""Exit codes: one table from the class of an error to what a script can act on."""

from __future__ import annotations

import sys
from enum import IntEnum
from typing import Final

from protocol.errors import ProtocolError
from pyzsync.errors import PyzsyncError
from pyzsync_daemon.config import ConfigError
from pyzsync_daemon.errors import DaemonError, HubRefused, HubUnreachable
from pyzsync_daemon.units import printable

__all__ = ["TABLE", "Exit", "report"]


class Exit(IntEnum):
    """What the process says when it ends. The same words are in ``pyzsync --help``."""

    OK = 0
    FAILED = 1  # also: trees differ, or --once ended before the replica was up to date
    USAGE = 2  # wrong command line, environment or configuration file
    NO_HUB = 3  # the hub could not be reached, or refused us
    INTERRUPTED = 130  # Ctrl-C ended a command that is no daemon


TABLE: Final[tuple[tuple[type[Exception], Exit], ...]] = (
    (ConfigError, Exit.USAGE),
    (HubUnreachable, Exit.NO_HUB),
    (HubRefused, Exit.NO_HUB),
    (ProtocolError, Exit.NO_HUB),
    (DaemonError, Exit.FAILED),
    (PyzsyncError, Exit.FAILED),
    (OSError, Exit.FAILED),
)
"""The first class that fits decides. What fits none is a bug, and keeps its traceback."""


def report(error: Exception) -> Exit:
    """Say on standard error what went wrong, and what to do; a bug is raised again."""
    code = next((code for kind, code in TABLE if isinstance(error, kind)), None)
    if code is None:
        raise error
    lines = [f"pyzsync: {printable(line)}" for line in str(error).splitlines()]
    hint = getattr(error, "hint", "")
    print(*lines, *([f"hint: {printable(hint)}"] if hint else []), sep="\n", file=sys.stderr)
    return code
