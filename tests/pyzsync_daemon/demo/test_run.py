import io
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console

from pyzsync_daemon.demo import run
from pyzsync_daemon.demo.run import Told, TooSlow
from pyzsync_daemon.errors import Differs

TOP = Path(__file__).parents[3]
TREES = ("hub", "client-1")


@pytest.fixture
def trees(tmp_path):
    for name in TREES:
        (tmp_path / name).mkdir()
        (tmp_path / name / "f").write_bytes(b"x")
    return tmp_path / "hub", [tmp_path / "client-1"]


async def test_settles_at_once_when_all_is_equal(trees):
    await run._settle(*trees, [])


async def test_gives_up_with_the_first_difference(trees, monkeypatch):
    monkeypatch.setattr(run, "PATIENCE", 0.0)
    root, [replica] = trees
    (replica / "f").write_bytes(b"y")
    with pytest.raises(TooSlow) as caught:
        await run._settle(root, [replica], [])
    assert str(caught.value) == f"after 0 s {root} and {replica} differ at f: the bytes at 0"
    assert isinstance(caught.value.difference, Differs)


async def test_looks_again_until_they_are_equal(trees, monkeypatch):
    root, [replica] = trees
    (replica / "f").write_bytes(b"y")
    suspects = []

    def differ(left, right, suspect):
        suspects.append(suspect)
        (replica / "f").write_bytes(b"x" if suspect else b"y")
        return original(left, right, suspect)

    original = run.differ
    monkeypatch.setattr(run, "differ", differ)
    await run._settle(root, [replica], [])
    assert suspects == ["", "f"]


def test_the_table():
    rows = [Told("first copy", 3_000_000, 900_000, 1.25), Told("delete", 0, 1200, 0.05)]
    stream = io.StringIO()
    Console(file=stream, width=80).print(run._table(rows))
    lines = [" ".join(line.replace("│", " ").split()) for line in stream.getvalue().splitlines()]
    assert "first copy 3.0 MB 900 kB 30.0% 1.2 s" in lines
    assert "delete 0 B 1.2 kB - 50 ms" in lines
    assert "sum 3.0 MB 901 kB 30.0% 1.3 s" in lines


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_ends_it_and_leaves_nothing(tmp_path, number, code):
    with subprocess.Popen(
        [sys.executable, "-m", "pyzsync_daemon", "demo"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={"TMPDIR": str(tmp_path), "PATH": "/usr/bin:/bin", "PYTHONPATH": str(TOP)},
    ) as demo:
        assert demo.stdout.readline().startswith("A hub with ")
        demo.send_signal(number)
        _, errors = demo.communicate(timeout=60)
    assert (demo.returncode, errors) == (code, "")
    assert list(tmp_path.iterdir()) == []
