import pytest
from blake3 import blake3

from pyzsync_daemon.hub.identity import BadIdentity, hub_identity


def test_a_drawn_identity_stays(tmp_path):
    first = hub_identity(tmp_path)
    assert len(first) == 32
    assert hub_identity(tmp_path) == first
    assert [path.name for path in tmp_path.iterdir()] == ["identity"]


def test_two_hubs_differ(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    assert hub_identity(tmp_path / "a") != hub_identity(tmp_path / "b")


def test_a_configured_text_needs_no_state(tmp_path):
    assert hub_identity(tmp_path, "the hub") == blake3(b"the hub").digest()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", [b"", b"abcd\n", b"no hex", b"\xff\xfe", b"ab" * 33])
def test_a_damaged_file_is_not_replaced_in_silence(tmp_path, content):
    (tmp_path / "identity").write_bytes(content)
    with pytest.raises(BadIdentity, match="identity does not hold") as caught:
        hub_identity(tmp_path)
    assert caught.value.path == tmp_path / "identity"
    assert "--accept-new-hub" in caught.value.hint
