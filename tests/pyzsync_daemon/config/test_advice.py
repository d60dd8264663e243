from pydantic import SecretStr

from pyzsync_daemon.config import ClientSettings, HubSettings, advice


def test_nothing_to_say_of_the_defaults(tmp_path):
    assert advice(HubSettings(), None) == advice(ClientSettings(), tmp_path) == []


def test_a_token_file_for_everyone(tmp_path):
    file = tmp_path / "token"
    file.write_text("t")
    file.chmod(0o644)
    told = [f"{file} holds a token that every user can read: chmod o-r {file}"]
    assert advice(ClientSettings(token_file=file), None) == told
    file.chmod(0o600)
    assert advice(ClientSettings(token_file=file), None) == []
    file.unlink()
    assert advice(ClientSettings(token_file=file), None) == []


def test_a_token_in_a_configuration_for_everyone(tmp_path):
    file = tmp_path / "pyzsync.toml"
    file.write_text("")
    file.chmod(0o644)
    settings = HubSettings(token=SecretStr("t"))
    assert len(advice(settings, file)) == 1
    assert advice(settings, None) == []  # from the environment: nobody else sees it


def test_a_hub_that_is_open_to_the_network():
    settings = HubSettings(listen="0.0.0.0:8471")
    told = ["who can reach 0.0.0.0:8471 can read the tree: set token_file"]
    assert advice(settings, None) == told
