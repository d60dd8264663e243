import asyncio
import subprocess
import sys

import pytest
import uvloop

from pyzsync_daemon import loop


async def running():
    return asyncio.get_running_loop()


def test_daemons_run_on_uvloop():
    assert isinstance(loop.run(running()), uvloop.Loop)


def test_errors_pass():
    async def fail():
        raise PermissionError("no")

    with pytest.raises(PermissionError):
        loop.run(fail())


def test_without_uvloop_they_run_on_the_loop_of_the_standard_library():
    code = """
import asyncio, sys
sys.modules["uvloop"] = None
from pyzsync_daemon import loop

async def main():
    return type(asyncio.get_running_loop())

assert loop.new_event_loop is None
assert issubclass(loop.run(main()), asyncio.SelectorEventLoop)
"""
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert result.returncode == 0, result.stderr


def test_garbage_is_not_looked_for_at_every_turn():
    code = """
import gc
from pyzsync_daemon import loop

async def main():
    return gc.get_threshold()[0], gc.get_freeze_count() > 0

assert loop.run(main()) == (loop.GARBAGE, True)
"""
    subprocess.run([sys.executable, "-c", code], timeout=60, check=True)
