"""The load test: a real hub, as many clients as one machine bears, and what each change cost."""

from pyzsync_daemon.loadtest.changes import KINDS
from pyzsync_daemon.loadtest.options import HERDS, BadOptions, Options
from pyzsync_daemon.loadtest.run import run_load_test

__all__ = ["HERDS", "KINDS", "BadOptions", "Options", "run_load_test"]
