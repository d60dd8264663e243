"""The token that a hub and its clients share."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from pyzsync_daemon.config.errors import ConfigError, Problem

__all__ = ["read_token"]

_TOKEN_LIMIT: Final = 4096  # a header line must still fit what servers accept


def read_token(path: Path) -> str:
    """The token in ``path``, without the space around it; ConfigError when it cannot be used."""
    try:
        with path.open("rb") as file:
            data = file.read(_TOKEN_LIMIT + 1).strip()
    except OSError as error:
        what = f"cannot be read: {error.strerror}"
        raise ConfigError(
            Problem(str(path), what=what, allowed="a file that holds a token")
        ) from error
    if not 0 < len(data) <= _TOKEN_LIMIT or any(not 0x21 <= byte <= 0x7E for byte in data):
        allowed = f"one token of 1 to {_TOKEN_LIMIT} visible ASCII characters"
        raise ConfigError(Problem(str(path), what="holds no usable token", allowed=allowed))
    return data.decode("ascii")
