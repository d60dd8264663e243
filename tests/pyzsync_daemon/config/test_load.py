import itertools
import re
import tomllib
from pathlib import Path

import pytest

from pyzsync_daemon.config import Config, ConfigError, load
from pyzsync_daemon.config.load import TABLES

EXAMPLE = Path(__file__).parents[3] / "config.example.toml"


@pytest.fixture
def write(tmp_path):
    def write(text):
        file = tmp_path / "p.toml"
        file.write_text(text)
        return file

    return write


def told(**sources):
    with pytest.raises(ConfigError) as caught:
        load(**sources)
    return str(caught.value)


# --- the example ---------------------------------------------------------------------------------


def test_the_example_holds_every_key_with_its_default(monkeypatch):
    monkeypatch.chdir(EXAMPLE.parent)  # relative paths start at the file: the two agree here
    loaded = load(EXAMPLE)
    assert loaded.model_dump() == {
        **Config().model_dump(),
        "hub": {**Config().hub.model_dump(), "root": EXAMPLE.parent},
        "client": {**Config().client.model_dump(), "root": EXAMPLE.parent},
    }
    tables = tomllib.loads(EXAMPLE.read_text())
    assert {name: set(keys) for name, keys in tables.items()} == {
        name: set(model.model_fields) for name, model in TABLES.items()
    }


def test_every_key_of_the_example_has_its_reason_above_it():
    lines = EXAMPLE.read_text().splitlines()
    for above, line in itertools.pairwise(lines):
        if re.match(r"\w+ = ", line):
            assert above.startswith("# "), line


def test_every_key_says_what_is_allowed(write):
    for table, model in TABLES.items():
        for key in model.model_fields:
            sentence = told(file=write(f"[{table}]\n{key} = 1979-05-27"))
            assert f"[{table}] {key}: found " in sentence
            assert "; allowed: " in sentence


# --- sources -------------------------------------------------------------------------------------


def test_nothing_given_is_all_defaults():
    assert load() == Config()


def test_command_line_over_environment_over_file(write):
    file = write('[hub]\nlisten = "f:1"\nidentity = "file"\nrequests = 1')
    environ = {"PYZSYNC_HUB__LISTEN": "e:2", "PYZSYNC_HUB__IDENTITY": "environment"}
    options = {("hub", "listen"): "o:3", ("hub", "state"): None}
    hub = load(file, environ, options).hub
    assert (hub.listen, hub.identity, hub.requests) == ("o:3", "environment", 1)


def test_environment_values_have_their_keys_types():
    environ = {
        "PYZSYNC_HUB__TOKEN": "12345",  # text, though it looks like a number
        "PYZSYNC_HUB__REQUESTS": "12",
        "PYZSYNC_HUB__RESCAN_S": "0.5",
        "PYZSYNC_HUB__ALLOW_MASS_DELETE": "true",
        "PYZSYNC_HUB__IGNORE": '["*.o", "/x"]',
        "PYZSYNC_HUB__CACHE_BYTES": "1 MiB",
        "PYZSYNC_CLIENT__ROOT": "rel",
        "PYZSYNC_KERNEL": "c",
        "PATH": "/bin",
    }
    config = load(environ=environ)
    assert config.hub.secret() == "12345"
    assert (config.hub.requests, config.hub.rescan_s) == (12, 0.5)
    assert config.hub.allow_mass_delete is True
    assert config.hub.ignore == ("*.o", "/x")
    assert config.hub.cache_bytes == 1024 * 1024
    assert config.client.root == Path("rel")


def test_relative_paths_of_a_file_start_there(write, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", "/home/somebody")
    file = write('[hub]\nroot = "a"\nstate = "/var/s"\ntoken_file = "~/t"\ntls_cert = ""')
    hub = load(file).hub
    assert hub.root == tmp_path / "a"
    assert (hub.state, hub.token_file) == (Path("/var/s"), Path("/home/somebody/t"))
    assert hub.tls_cert is None


# --- what is told of a mistake -------------------------------------------------------------------


def test_unknown_key(write):
    file = write('[log]\nlevl = "info"')
    assert told(file=file) == (
        f'{file}: [log] levl: unknown key; did you mean "level"?; allowed: format, level'
    )
    file = write("[log]\nqqq = 1")
    assert told(file=file) == f"{file}: [log] qqq: unknown key; allowed: format, level"


def test_unknown_table(write):
    file = write("[hbu]\nroot = 1")
    assert told(file=file) == f"{file}: hbu: unknown table; allowed: [hub], [client], [log]"
    file = write('root = "x"')
    assert told(file=file) == (
        f"{file}: root: a key outside of any table; allowed: [hub], [client], [log]"
    )


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("requests = 0", "requests: found 0; allowed: a whole number, 1 or more"),
        ('requests = "3"', 'requests: found "3"; allowed: a whole number, 1 or more'),
        ("requests = true", "requests: found true; allowed: a whole number, 1 or more"),
        ("rescan_s = 0", "rescan_s: found 0; allowed: seconds, more than 0"),
        ("rescan_s = inf", "rescan_s: found Infinity; allowed: seconds, more than 0"),
        (
            "deletion_share = 1.5",
            "deletion_share: found 1.5; allowed: a share: more than 0, at most 1",
        ),
        (
            'cache_bytes = "lots"',
            "cache_bytes: found \"lots\" ('lots' is not an amount of bytes); "
            'allowed: bytes, as a whole number or as text like "64 MiB"',
        ),
        (
            'listen = "host"',
            'listen: found "host" (the port is missing); '
            'allowed: HOST:PORT, like "127.0.0.1:8471" or "[::1]:0"',
        ),
        (
            'token = "open sesame"',
            "token: found (hidden) (it has spaces or characters that a header cannot carry); "
            "allowed: visible ASCII characters without spaces",
        ),
        (
            'tls_cert = "c"',
            "tls_key: tls_cert is set without it; allowed: both of tls_cert and tls_key, or none",
        ),
    ],
)
def test_wrong_value(write, line, sentence):
    file = write(f"[hub]\n{line}")
    assert told(file=file) == f"{file}: [hub] {sentence}"


def test_every_problem_is_told_in_one_go(write):
    file = write("[hub]\nrequests = 0\n[client]\nmirror = 1\n[log]\nlevel = 2")
    assert told(file=file).splitlines() == [
        f"{file}: [hub] requests: found 0; allowed: a whole number, 1 or more",
        f"{file}: [client] mirror: found 1; allowed: true or false",
        f'{file}: [log] level: found 2; allowed: "debug", "info", "warning" or "error"',
    ]


def test_the_source_of_a_wrong_value_is_named(write):
    assert told(environ={"PYZSYNC_CLIENT__REQUESTS": "many"}) == (
        'PYZSYNC_CLIENT__REQUESTS: [client] requests: found "many"; '
        "allowed: a whole number, 1 or more"
    )
    assert told(environ={"PYZSYNC_LOG__LEVL": "info"}).startswith("PYZSYNC_LOG__LEVL: [log] levl: ")
    assert told(environ={"PYZSYNC_HUBB__ROOT": "x"}) == (
        "PYZSYNC_HUBB__ROOT: unknown table; "
        "allowed: PYZSYNC_HUB__..., PYZSYNC_CLIENT__..., PYZSYNC_LOG__..."
    )
    assert told(options={("client", "hub"): "nowhere"}) == (
        'command line: [client] hub: found "nowhere" (the scheme is not ws or wss); '
        'allowed: ws://HOST:PORT or wss://HOST:PORT, like "ws://127.0.0.1:8471"'
    )


def test_a_file_that_cannot_be_used(tmp_path, write):
    missing = tmp_path / "none.toml"
    assert told(file=missing) == f"{missing}: cannot be read: No such file or directory"
    file = write("[hub\n")
    assert told(file=file).startswith(f"{file}: is not TOML: ")
    file.write_bytes(b"\xff")
    assert told(file=file) == f"{file}: is not UTF-8 text"


def test_the_file_of_a_daemon_is_not_in_its_root(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "pyzsync.toml"
    file.write_text('[hub]\ntoken_file = "token"\n')
    load(file)  # whose root will be is not known
    for role in ("hub", "client"):
        with pytest.raises(ConfigError, match="is inside the root"):
            load(file, role=role)
        load(file, options={(role, "root"): str(tmp_path / "data")}, role=role)


def test_a_line_that_is_no_pattern_is_named(tmp_path):
    file = tmp_path / "pyzsync.toml"
    file.write_text('[hub]\nignore = ["*.o", "!"]\n')
    with pytest.raises(ConfigError, match="Invalid git pattern: '!'"):
        load(file)
