import pytest

from pyzsync_daemon.cli.checking import check
from pyzsync_daemon.config import ConfigError


def test_a_good_file(tmp_path, capsys):
    file = tmp_path / "p.toml"
    file.write_text('[hub]\nroot = "x"\n[client]\nhub = "ws://h:1"\n')
    check(file)
    assert capsys.readouterr().out == f"{file}: ok\n"


def test_what_is_unwise_is_told(tmp_path, capsys):
    file = tmp_path / "p.toml"
    file.write_text('[hub]\nlisten = "0.0.0.0:1"\n')
    check(file)
    assert capsys.readouterr().out.splitlines() == [
        f"{file}: advice: who can reach 0.0.0.0:1 can read the tree: set token_file",
        f"{file}: ok",
    ]


@pytest.mark.parametrize("text", ["[hub]\nreqests = 1", '[client]\ntoken_file = "none"'])
def test_a_bad_file(tmp_path, capsys, text):
    file = tmp_path / "p.toml"
    file.write_text(text)
    with pytest.raises(ConfigError):
        check(file)
    assert capsys.readouterr().out == ""
