"""The ``pyzsync`` command. Commands are thin, and import what they need when they run."""

from __future__ import annotations

__all__ = ["main"]


def main() -> None:
    """Run the command line and exit with a code of ``cli.exits``."""
    from pyzsync_daemon.cli.app import app
    from pyzsync_daemon.files.syscalls import keep_little_memory

    keep_little_memory()
    try:
        app(prog_name="pyzsync")
    except Exception as error:
        from pyzsync_daemon.cli.exits import report

        raise SystemExit(report(error)) from None
