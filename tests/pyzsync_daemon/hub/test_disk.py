import pytest

from pyzsync_daemon.config import HubSettings
from pyzsync_daemon.hub.disk import Disk, StateBusy


def test_a_state_is_locked_until_it_is_closed(tmp_path):
    root, state = tmp_path / "root", tmp_path / "state"
    root.mkdir()
    settings = HubSettings(root=root, state=state)
    disk = Disk.open(settings)
    with pytest.raises(StateBusy) as caught:
        Disk.open(settings)
    assert caught.value.state == state
    assert str(caught.value) == f"another hub or client is at work in {state}"
    assert "--state" in caught.value.hint
    disk.opened.close()
    Disk.open(settings).opened.close()


def test_what_was_opened_is_closed_when_the_rest_fails(tmp_path):
    (tmp_path / "root").mkdir()
    state = tmp_path / "state"
    state.mkdir()
    (state / "hub.sqlite").mkdir()
    settings = HubSettings(root=tmp_path / "root", state=state)
    with pytest.raises(Exception, match="sqlite"):
        Disk.open(settings)
    (state / "hub.sqlite").rmdir()
    Disk.open(settings).opened.close()
