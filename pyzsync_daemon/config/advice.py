"""What works and still is unwise."""

from __future__ import annotations

import stat
from pathlib import Path

from pyzsync_daemon.config.settings import ClientSettings, HubSettings
from pyzsync_daemon.config.values import is_loopback

__all__ = ["advice"]


def advice(settings: HubSettings | ClientSettings, file: Path | None) -> list[str]:
    """One sentence for each, to be logged once at the start.

    ``file`` is the configuration file that the settings came from.
    """
    found = []
    holder = settings.token_file
    if holder is None and settings.token.get_secret_value():
        holder = file
    if holder is not None and _others_can_read(holder):
        found.append(f"{holder} holds a token that every user can read: chmod o-r {holder}")
    if isinstance(settings, HubSettings):
        open_to_all = not settings.has_token and not is_loopback(settings.address[0])
        if open_to_all:
            found.append(f"who can reach {settings.listen} can read the tree: set token_file")
    return found


def _others_can_read(path: Path) -> bool:
    try:
        return bool(path.stat().st_mode & stat.S_IROTH)
    except FileNotFoundError:
        return False  # reading it will say so, with the right words
