import os
import subprocess
import sys

import pytest


@pytest.mark.parametrize(("given", "threads"), [(None, "1"), ("3", "3")])
def test_algebra_threads_that_nobody_needs_are_not_started(given, threads):
    environment = {k: v for k, v in os.environ.items() if k != "OPENBLAS_NUM_THREADS"}
    if given:
        environment["OPENBLAS_NUM_THREADS"] = given
    code = "import pyzsync_daemon.cli, os; print(os.environ['OPENBLAS_NUM_THREADS'])"
    run = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert run.stdout.strip() == threads
