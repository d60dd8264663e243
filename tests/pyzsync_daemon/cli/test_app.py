import json
import re

import pytest
from typer.testing import CliRunner

from pyzsync import kernel
from pyzsync_daemon.cli.app import app

COMMANDS = ("hub", "client", "demo", "hashlist", "blueprint", "check-config")


def invoke(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_version_names_the_kernel():
    result = invoke("--version")
    assert result.exit_code == 0
    assert re.fullmatch(rf"pyzsync-daemon \d\S* \(kernel: {kernel.name}\)\n", result.output)


def test_help_lists_the_commands_and_the_exit_codes():
    result = invoke("--help")
    assert result.exit_code == 0
    for name in (*COMMANDS, "Exit codes", "PYZSYNC_HUB__LISTEN"):
        assert name in result.output


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_with_an_example(name):
    result = invoke(name, "--help")
    assert result.exit_code == 0
    assert f"Example: pyzsync {name}" in result.output


@pytest.mark.parametrize(
    "arguments",
    [
        ("no-such-command",),
        ("hub", "--no-such-option"),
        ("hashlist", "/no/such/file"),
        ("hashlist", "/"),
        ("blueprint", __file__),
    ],
)
def test_wrong_usage(arguments):
    assert invoke(*arguments).exit_code == 2


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        (
            ("hub", "R", "--listen", "h:1", "--allow-mass-delete"),
            {"root": "R", "listen": "h:1", "allow_mass_delete": True},
        ),
        (("hub", "--state", "S", "--token-file", "T"), {"state": "S", "token_file": "T"}),
    ],
)
def test_hub_hands_on_what_was_given(monkeypatch, command, expected):
    seen = []
    monkeypatch.setattr("pyzsync_daemon.cli.daemons.run_hub", lambda *args: seen.append(args))
    assert invoke(*command).exit_code == 0
    [(config, options)] = seen
    assert config is None
    assert {key: value for key, value in options.items() if value is not None} == {
        key: type(options[key])(value) for key, value in expected.items()
    }


def test_client_hands_on_what_was_given(monkeypatch):
    seen = []
    monkeypatch.setattr(
        "pyzsync_daemon.cli.daemons.run_client", lambda *args, **more: seen.append((*args, more))
    )
    command = ("client", "R", "--hub", "ws://h", "--once", "--json", "--conflict", "refuse")
    switches = ("--mirror", "--accept-new-hub", "--allow-mass-delete", "--config", "C")
    assert invoke(*command, *switches).exit_code == 0
    [(config, options, more)] = seen
    assert str(config) == "C"
    assert more == {"once": True, "as_json": True}
    assert {key: str(value) for key, value in options.items() if value is not None} == {
        "root": "R",
        "hub": "ws://h",
        "conflict": "refuse",
        "mirror": "True",
        "accept_new_hub": "True",
        "allow_mass_delete": "True",
    }


def test_hashlist_and_blueprint_as_json(tmp_path):
    old, new = tmp_path / "old", tmp_path / "new"
    old.write_bytes(bytes(5000))
    new.write_bytes(bytes(4000))
    hashed = json.loads(invoke("hashlist", new, "--json").output)
    assert (hashed["length"], hashed["leaves"]) == (4000, 8)
    found = json.loads(invoke("blueprint", old, new, "--json").output)
    assert (found["length"], found["missing_bytes"]) == (4000, 0)


def test_check_config(tmp_path):
    file = tmp_path / "p.toml"
    file.write_text("[log]\n")
    assert invoke("check-config", file).output == f"{file}: ok\n"
