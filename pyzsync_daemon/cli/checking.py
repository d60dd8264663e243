"""``pyzsync check-config``."""

from __future__ import annotations

from pathlib import Path

from pyzsync_daemon.config import advice, load

__all__ = ["check"]


def check(file: Path) -> None:
    """Print that the file is good, after what is unwise in it; ConfigError when it is not."""
    config = load(file)
    for settings in (config.hub, config.client):
        settings.secret()  # the token file must be usable, too
        for sentence in advice(settings, file):
            print(f"{file}: advice: {sentence}")
    print(f"{file}: ok")
