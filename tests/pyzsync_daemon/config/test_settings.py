from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError

from pyzsync_daemon.config import ClientSettings, ConfigError, HubSettings

TOKEN = SecretStr("t")


def test_settings_are_frozen():
    with pytest.raises(ValidationError, match="frozen"):
        HubSettings().requests = 3


def test_state_is_beneath_the_root_unless_set(tmp_path):
    assert ClientSettings(root=tmp_path).state_dir == tmp_path / ".pyzsync"
    assert HubSettings(root=tmp_path).state_dir == tmp_path / ".pyzsync" / "hub"
    assert HubSettings(root=tmp_path / "a", state=tmp_path / "s").state_dir == tmp_path / "s"
    assert ClientSettings(root=tmp_path / "a", state=tmp_path / "s").state_dir == tmp_path / "s"


@pytest.mark.parametrize("state", [".", "state", ".pyzsync2"])
def test_a_state_that_would_be_published_is_refused(tmp_path, state):
    with pytest.raises(ValidationError, match="is inside the root"):
        HubSettings(root=tmp_path, state=tmp_path / state)
    HubSettings(root=tmp_path, state=tmp_path / ".pyzsync" / "hub")


def test_a_link_does_not_hide_where_the_state_is(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    with pytest.raises(ValidationError, match="is inside the root"):
        HubSettings(root=tmp_path / "link", state=tmp_path / "real" / "state")


def refused(make, key, file, root):
    given = {key: file}
    if key in ("tls_cert", "tls_key"):
        given = {"tls_cert": root.parent / "cert", "tls_key": root.parent / "key", key: file}
    with pytest.raises(ValidationError, match="is inside the root"):
        make(root=root, **given)
    given[key] = root / ".pyzsync" / "secret"
    make(root=root, **given)
    given[key] = root.parent / "secret"
    make(root=root, **given)


@pytest.mark.parametrize("key", ["token_file", "tls_cert", "tls_key"])
def test_a_hub_does_not_publish_its_secrets(tmp_path, key):
    refused(HubSettings, key, tmp_path / "root" / "d" / "secret", tmp_path / "root")


@pytest.mark.parametrize("key", ["token_file", "tls_ca"])
def test_a_client_does_not_let_its_hub_replace_its_secrets(tmp_path, key):
    refused(ClientSettings, key, tmp_path / "root" / "secret", tmp_path / "root")


def test_links_do_not_hide_where_a_secret_is(tmp_path):
    root = tmp_path / "root"
    root.mkdir()
    (tmp_path / "into").symlink_to(root / "secret")
    (root / "out").symlink_to(tmp_path / "secret")
    for file in (tmp_path / "into", root / "out"):
        refused(HubSettings, "token_file", file, root)


def test_address():
    assert HubSettings(listen="[::1]:0").address == ("::1", 0)


def test_no_token_is_the_empty_one():
    settings = HubSettings()
    assert not settings.has_token
    assert settings.secret() == ""


def test_the_token_is_hidden_from_whoever_prints_the_settings():
    settings = ClientSettings(token=SecretStr("open-sesame"))
    assert settings.has_token
    assert settings.secret() == "open-sesame"
    assert "open-sesame" not in repr(settings)


def test_the_token_file_is_read_anew(tmp_path):
    file = tmp_path / "token"
    file.write_text("first\n")
    settings = HubSettings(token_file=file)
    assert settings.secret() == "first"
    file.write_text("second\n")
    assert settings.secret() == "second"
    file.unlink()
    with pytest.raises(ConfigError, match="cannot be read"):
        settings.secret()


def test_one_token_only():
    with pytest.raises(ValidationError, match="token is set too"):
        HubSettings(token=TOKEN, token_file=Path("x"))


@pytest.mark.parametrize("given", [{"tls_cert": Path("c")}, {"tls_key": Path("k")}])
def test_certificate_and_key_go_together(given):
    with pytest.raises(ValidationError, match="is set without it"):
        HubSettings(**given)


def test_a_hub_does_not_ask_for_tokens_in_the_clear():
    with pytest.raises(ValidationError, match="would cross the network in the clear"):
        HubSettings(listen="0.0.0.0:1", token=TOKEN)
    HubSettings(listen="127.0.0.1:1", token=TOKEN)
    HubSettings(listen="0.0.0.0:1", token=TOKEN, tls_cert=Path("c"), tls_key=Path("k"))
    HubSettings(listen="0.0.0.0:1", token=TOKEN, allow_plaintext_token=True)


def test_a_client_does_not_send_tokens_in_the_clear():
    with pytest.raises(ValidationError, match="would cross the network in the clear"):
        ClientSettings(hub="ws://hub.example:1", token_file=Path("t"))
    ClientSettings(hub="ws://localhost:1", token=TOKEN)
    ClientSettings(hub="wss://hub.example:1", token=TOKEN)
    ClientSettings(hub="ws://hub.example:1", token=TOKEN, allow_plaintext_token=True)


def test_a_ca_needs_tls():
    with pytest.raises(ValidationError, match="uses no TLS"):
        ClientSettings(hub="ws://h:1", tls_ca=Path("ca"))
    ClientSettings(hub="wss://h:1", tls_ca=Path("ca"))


def test_backoff_bounds_are_in_order():
    with pytest.raises(ValidationError, match="is less than backoff_min_s"):
        ClientSettings(backoff_min_s=2.0, backoff_max_s=1.0)
