import os
import signal
import subprocess
import sys

import pytest

from pyzsync_daemon.cli.daemons import run
from pyzsync_daemon.cli.exits import Exit


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_first_signal_asks_to_drain(number):
    async def start(stop):
        os.kill(os.getpid(), number)
        await stop.wait()
        return "drained"

    assert run(start, seconds=60) == "drained"


def test_the_second_signal_ends_it():
    async def start(stop):
        os.kill(os.getpid(), signal.SIGTERM)
        await stop.wait()
        os.kill(os.getpid(), signal.SIGINT)
        await stop.__class__().wait()  # an event that nobody sets: a drain without end

    with pytest.raises(SystemExit) as caught:
        run(start, seconds=60)
    assert caught.value.code == Exit.INTERRUPTED


def test_errors_pass():
    async def start(stop):
        raise PermissionError("no")

    with pytest.raises(PermissionError):
        run(start, seconds=60)


def test_a_busy_thread_does_not_keep_the_process():
    code = """
import asyncio, os, signal, threading
from pyzsync_daemon.cli.daemons import run

async def start(stop):
    os.kill(os.getpid(), signal.SIGTERM)
    await asyncio.to_thread(threading.Event().wait)

run(start, seconds=0.05, code=7)
"""
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert result.returncode == 7
    assert "not drained in time" in result.stdout + result.stderr


def start_hub(*arguments, cwd):
    command = [sys.executable, "-m", "pyzsync_daemon", "hub", *map(str, arguments)]
    return subprocess.Popen(
        command, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_hub_says_where_it_listens_and_ends_with_zero(tmp_path, number):
    (tmp_path / "f").write_bytes(b"x")
    with start_hub("--listen", "127.0.0.1:0", cwd=tmp_path) as hub:
        line = hub.stdout.readline()
        hub.send_signal(number)
        _, log = hub.communicate(timeout=60)
    assert line.startswith("listening on ws://127.0.0.1:")
    assert hub.returncode == 0, log


def test_once_brings_a_replica_up_to_date_and_tells_what_it_did(tmp_path):
    root, replica = tmp_path / "hub", tmp_path / "replica"
    root.mkdir()
    (root / "f").write_bytes(b"x" * 1000)
    with start_hub(root, "--listen", "127.0.0.1:0", cwd=tmp_path) as hub:
        url = hub.stdout.readline().split()[-1]
        command = [sys.executable, "-m", "pyzsync_daemon", "client", replica, "--hub", url]
        client = subprocess.run(
            [*command, "--once", "--json"], capture_output=True, text=True, timeout=60, check=False
        )
        hub.terminate()
        hub.communicate(timeout=60)
    assert client.returncode == 0, client.stderr
    assert (replica / "f").read_bytes() == b"x" * 1000
    assert '"applied": 1' in client.stdout


def test_once_without_a_hub_tells_so(tmp_path):
    command = [sys.executable, "-m", "pyzsync_daemon", "client", tmp_path, "--once"]
    client = subprocess.run(
        [*command, "--hub", "ws://127.0.0.1:1"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert client.returncode == Exit.NO_HUB, client.stderr
    assert "cannot reach the hub at ws://127.0.0.1:1" in client.stderr
