"""Which kernel is chosen, each time in a fresh interpreter."""

import os
import subprocess
import sys
from importlib.util import find_spec

import pytest

BLOCK_C = "import sys; sys.modules['pyzsync._kernel'] = None; "
SHOW = "from pyzsync import kernel; print(kernel.name, kernel.Matcher.__module__)"
needs_c = pytest.mark.skipif(find_spec("pyzsync._kernel") is None, reason="there is no C kernel")


def run(demand, code=SHOW):
    environment = {**os.environ, "PYZSYNC_KERNEL": demand}
    return subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
    )


@needs_c
def test_c_is_demanded():
    assert run("c").stdout.split() == ["c", "pyzsync._kernel"]


def test_numpy_is_demanded():
    assert run("numpy").stdout.split() == ["numpy", "pyzsync._numpy_matcher"]


@needs_c
def test_c_is_the_first_choice():
    assert run("").stdout.split() == ["c", "pyzsync._kernel"]


def test_numpy_takes_its_place_where_c_was_not_built():
    assert run("", BLOCK_C + SHOW).stdout.split() == ["numpy", "pyzsync._numpy_matcher"]


def test_a_demand_for_c_that_cannot_be_met_fails():
    result = run("c", BLOCK_C + SHOW)
    assert result.returncode == 1
    assert (
        "ImportError: PYZSYNC_KERNEL=c demands a kernel that cannot be imported "
        "(import of pyzsync._kernel halted; None in sys.modules): "
        "build it with a C compiler, or unset it"
    ) in result.stderr


def test_a_demand_for_an_unknown_kernel_fails():
    result = run("rust")
    assert result.returncode == 1
    assert (
        "ImportError: PYZSYNC_KERNEL=rust demands an unknown kernel: "
        "set it to c or numpy, or unset it"
    ) in result.stderr
