import asyncio
import json
import os
import re
import signal
import subprocess
import sys

import pytest

from pyzsync_daemon.cli.daemons import run
from pyzsync_daemon.cli.exits import Exit
from pyzsync_daemon.hub.counters import Counters


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_first_signal_asks_to_drain(number):
    async def start(stop):
        os.kill(os.getpid(), number)
        await stop.wait()
        return "drained"

    assert run(start, seconds=60) == "drained"


def test_further_signals_change_nothing():
    async def start(stop):
        os.kill(os.getpid(), signal.SIGTERM)
        await stop.wait()
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.sleep(0)  # the loop takes the signals here
        return "drained"

    assert run(start, seconds=60) == "drained"


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


@pytest.mark.parametrize(
    ("form", "told"),
    [
        ("--json", r'\{"applied": 1, "fetched": 1000, "reused": 0, .*\}'),
        ("--once", r"up to date: 1 changes, 1.0 kB fetched, 0 B reused, 0 kept aside, in \d.*s"),
    ],
)
def test_once_brings_a_replica_up_to_date_and_tells_what_it_did(tmp_path, form, told):
    root, replica = tmp_path / "hub", tmp_path / "replica"
    root.mkdir()
    (root / "f").write_bytes(b"x" * 1000)
    with start_hub(root, "--listen", "127.0.0.1:0", cwd=tmp_path) as hub:
        url = hub.stdout.readline().split()[-1]
        command = [sys.executable, "-m", "pyzsync_daemon", "client", replica, "--hub", url]
        client = subprocess.run(
            [*command, "--once", form], capture_output=True, text=True, timeout=60, check=False
        )
        hub.terminate()
        hub.communicate(timeout=60)
    assert client.returncode == 0, client.stderr
    assert (replica / "f").read_bytes() == b"x" * 1000
    assert re.fullmatch(told + "\n", client.stdout)


def test_a_hub_tells_its_counters_when_it_is_asked(tmp_path):
    root, replica = tmp_path / "hub", tmp_path / "replica"
    root.mkdir()
    (root / "f").write_bytes(b"x" * 1000)
    told = []
    with start_hub(root, "--listen", "127.0.0.1:0", cwd=tmp_path) as hub:
        url = hub.stdout.readline().split()[-1]
        for _ in range(2):
            hub.send_signal(signal.SIGUSR1)
            lines = map(json.loads, iter(hub.stderr.readline, ""))
            told.append(next(line for line in lines if line["event"] == "counters"))
            command = [sys.executable, "-m", "pyzsync_daemon", "client", replica, "--hub", url]
            subprocess.run([*command, "--once"], check=True, timeout=60, capture_output=True)
        hub.terminate()
        hub.communicate(timeout=60)
    before, after = told
    assert before["level"] == "info"
    for line in told:
        assert set(line) == {"event", "level", "timestamp", *Counters.__dataclass_fields__}
    assert (before["hash_passes"], before["hashed_bytes"], before["reads"]) == (1, 1000, 0)
    assert (after["hash_passes"], after["reads"], after["read_bytes"]) == (1, 1, 1000)
    assert (after["encodes"], after["cache_misses"], after["pages"]) == (1, 1, 1)
    assert after["bytes_out"] > before["bytes_out"] == 0
    assert after["refused"] == after["slow_cut"] == 0


def test_a_client_that_is_asked_for_counters_does_not_die_of_it(tmp_path):
    command = [sys.executable, "-m", "pyzsync_daemon", "client", tmp_path / "replica"]
    with subprocess.Popen(
        [*command, "--hub", "ws://127.0.0.1:1"], stderr=subprocess.PIPE, text=True
    ) as client:
        assert client.stderr.readline()  # its first word: it runs
        client.send_signal(signal.SIGUSR1)
        client.send_signal(signal.SIGTERM)
        client.communicate(timeout=60)
    assert client.returncode == 0


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
