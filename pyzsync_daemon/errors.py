"""Why a daemon or a command ends without success.

    DaemonError              one sentence, and a hint: what to do next
    ├── HubUnreachable       no connection could be made; a retry can help
    ├── HubRefused           the hub (or our pin of it) said no; a retry cannot help
    ├── CannotListen         the hub's address is taken or not ours
    ├── NotUpToDate          ``--once`` ended before the replica was level with the hub
    ├── NotAFile             a command was given something that has no bytes to hash
    ├── NoMatplotlib         a picture was asked for, and what draws it is not installed
    └── Differs              two trees that should be equal are not

Others are beside what they concern: ``config.ConfigError``, ``files.db.ForeignDatabase``.
``cli/exits.py`` maps all of them to exit codes.
"""

from __future__ import annotations

__all__ = [
    "CannotListen",
    "DaemonError",
    "Differs",
    "HubRefused",
    "HubUnreachable",
    "NoMatplotlib",
    "NotAFile",
    "NotUpToDate",
]


class DaemonError(Exception):
    """Base of what the command line reports in one sentence, without a traceback."""

    hint: str = ""


class HubUnreachable(DaemonError):
    """No WebSocket connection to ``url``; ``reason`` is what the system said."""

    hint = "is the hub running, and is its address right?"

    def __init__(self, url: str, reason: str) -> None:
        super().__init__(url, reason)
        self.url = url
        self.reason = reason

    def __str__(self) -> str:
        return f"cannot reach the hub at {self.url}: {self.reason}"


class HubRefused(DaemonError):
    """The hub at ``url``, or our pin of it, said no for good: token, identity, protocol version."""

    def __init__(self, url: str, reason: str, hint: str = "") -> None:
        super().__init__(url, reason, hint)
        self.url = url
        self.reason = reason
        self.hint = hint

    def __str__(self) -> str:
        return f"no session with the hub at {self.url}: {self.reason}"


class CannotListen(DaemonError):
    """``address`` (HOST:PORT) cannot be bound."""

    hint = "choose another address with --listen; port 0 picks a free one"

    def __init__(self, address: str, reason: str) -> None:
        super().__init__(address, reason)
        self.address = address
        self.reason = reason

    def __str__(self) -> str:
        return f"cannot listen on {self.address}: {self.reason}"


class NotUpToDate(DaemonError):
    """``--once`` was stopped, or ``failed`` paths could not be applied."""

    def __init__(self, failed: int, reason: str) -> None:
        super().__init__(failed, reason)
        self.failed = failed
        self.reason = reason

    def __str__(self) -> str:
        return f"the replica is not up to date: {self.reason}"


class NotAFile(DaemonError):
    """``path`` is a directory, a device or a pipe."""

    hint = "name a regular file"

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.path = path

    def __str__(self) -> str:
        return f"{self.path} is not a regular file"


class Differs(DaemonError):
    """Tree ``left`` and tree ``right`` differ first at ``path``, by ``what``."""

    def __init__(self, left: str, right: str, path: str, what: str) -> None:
        super().__init__(left, right, path, what)
        self.left = left
        self.right = right
        self.path = path
        self.what = what

    def __str__(self) -> str:
        return f"{self.left} and {self.right} differ at {self.path}: {self.what}"


class NoMatplotlib(DaemonError):
    """``--plot`` was asked for, and matplotlib cannot be imported."""

    hint = "pip install 'pyzsync-daemon[plot]', or do without --plot"

    def __str__(self) -> str:
        return "matplotlib, which draws the picture, is not installed"
