"""``pyzsync demo``: a real hub and real clients on temporary directories, measured from outside."""

from pyzsync_daemon.demo.run import run_demo

__all__ = ["run_demo"]
