import subprocess
import sys

import pytest

from pyzsync_daemon import cli


def main(monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["pyzsync", *map(str, arguments)])
    with pytest.raises(SystemExit) as caught:
        cli.main()
    return caught.value.code


def test_success_is_zero(monkeypatch, capsys, tmp_path):
    (tmp_path / "f").write_bytes(b"x")
    assert main(monkeypatch, "hashlist", tmp_path / "f") == 0
    assert capsys.readouterr().err == ""


def test_an_error_is_a_sentence_and_a_code(monkeypatch, capsys, tmp_path):
    assert main(monkeypatch, "check-config", tmp_path / "none") == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"pyzsync: {tmp_path / 'none'}: cannot be read: No such file")


def test_a_client_without_a_hub(monkeypatch, capsys):
    monkeypatch.delenv("PYZSYNC_CLIENT__HUB", raising=False)
    assert main(monkeypatch, "client") == 2
    assert capsys.readouterr().err.startswith(
        "pyzsync: no hub to follow; "
        'allowed: give --hub URL, PYZSYNC_CLIENT__HUB, or hub = "ws://..." in [client]\n'
    )


def test_the_environment_is_read(monkeypatch, capsys):
    monkeypatch.setenv("PYZSYNC_CLIENT__HUB", "nowhere")
    assert main(monkeypatch, "client") == 2
    assert capsys.readouterr().err.startswith("pyzsync: PYZSYNC_CLIENT__HUB: [client] hub: ")


def test_python_m_is_the_same_and_imports_nothing_it_does_not_need():
    code = """
import runpy, sys
sys.argv[1:] = ["--help"]
try:
    runpy.run_module("pyzsync_daemon", run_name="__main__")
except SystemExit:
    print(*sys.modules)
"""
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert "Usage: pyzsync" in result.stdout
    modules = set(result.stdout.splitlines()[-1].split())
    assert "pyzsync_daemon.cli.app" in modules
    assert not modules & {"numpy", "pydantic", "structlog", "websockets", "asyncio", "msgpack"}
