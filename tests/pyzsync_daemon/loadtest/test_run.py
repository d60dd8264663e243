import io
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console

from pyzsync_daemon.loadtest.options import BadOptions, Options
from pyzsync_daemon.loadtest.run import TreesDiffer, load_test, run_load_test

TOP = Path(__file__).parents[3]
SMALL = {"file_size": 20_000, "change_size": 1000, "rounds": 1}


def quiet():
    return Console(file=io.StringIO())


async def test_a_hundred_clients_have_every_byte():
    options = Options(clients=100, changes=("edit", "new"), memory=True, **SMALL)
    result = await load_test(options, quiet())
    assert (result.clients, result.verified, result.differences) == (100, 100, ())
    assert [each.change for each in result.rounds] == ["edit", "new"]
    assert all(len(each.latencies) == 100 for each in result.rounds)
    assert all(each.counters.hash_passes > 0 for each in result.rounds)


@pytest.mark.parametrize("memory", [True, False], ids=["memory", "disk"])
async def test_one_wrong_byte_in_one_client_fails_the_test(memory):
    async def plant(stand):
        await stand.workers.one(1, "spoil", client=2, path="file-0000.bin")

    options = Options(clients=6, memory=memory, bare=False, **SMALL)
    result = await load_test(options, quiet(), plant)
    assert not result.ok
    assert result.verified == 5
    assert result.differences == ("client 2 of worker 1: file-0000.bin: the bytes at 10000",)
    assert str(TreesDiffer(result)) == "1 of 6 replicas differ from the hub's tree"


def test_files_are_written_and_the_table_is_shown(tmp_path, capsys):
    file = tmp_path / "result.json"
    run_load_test(Options(clients=2, tls=True, churn=5, json=file, fair=0, **SMALL))
    told = json.loads(file.read_text())
    assert (told["clients"], told["verified"], told["options"]["tls"]) == (2, 2, True)
    assert told["hub_peak_rss_bytes"] > 0
    assert "All 2 replicas equal the hub's tree, byte by byte." in capsys.readouterr().out


async def test_one_client_needs_one_process():
    result = await load_test(Options(clients=1, memory=True, bare=False, **SMALL), quiet())
    assert result.ok
    assert result.facts["options"]["processes"] == 1


async def test_rounds_with_and_without_a_large_pull_take_turns():
    options = Options(clients=2, memory=True, fair=100_000_000, bare=False, **SMALL)
    result = await load_test(options, quiet())
    assert result.ok
    assert [each.note != "" for each in result.rounds] == [False, True]


def test_bad_options_start_nothing():
    with pytest.raises(BadOptions):
        run_load_test(Options(changes=("tidy",)))


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_ends_it_and_leaves_nothing(tmp_path, number, code):
    environment = {"TMPDIR": str(tmp_path), "PATH": os.environ["PATH"], "PYTHONPATH": str(TOP)}
    command = "loadtest", "--clients", "4", "--rounds", "1000", "--file-size", "200kB"
    with subprocess.Popen(
        [sys.executable, "-m", "pyzsync_daemon", *command],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    ) as test:
        home = until_listening(tmp_path, test)
        test.send_signal(number)
        _, errors = test.communicate(timeout=60)
    assert (test.returncode, errors) == (code, "")
    assert not home.exists()
    assert list(tmp_path.iterdir()) == []


def until_listening(tmp_path, test):
    """Wait until its clients work."""
    from tests.integration.support import until

    def found():
        assert test.poll() is None
        return next(tmp_path.glob("pyzsync-loadtest-*/replicas-0/00000/file-0000.bin"), None)

    until(found, "a client with its file")
    return next(tmp_path.glob("pyzsync-loadtest-*"))
