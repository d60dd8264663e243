"""One client a root, one root a state, and nothing left open."""

import os
from pathlib import Path

import pytest

from pyzsync_daemon.client.replica import NotPrivate, Replica, ReplicaBusy, StateInRoot


def open_descriptors():
    return len(list(Path("/proc/self/fd").iterdir()))


def test_a_root_is_made_and_given_back(tmp_path):
    before = open_descriptors()
    replica = Replica.open(tmp_path / "new/root")
    assert (tmp_path / "new/root/.pyzsync/index.sqlite").exists()
    replica.close()
    assert open_descriptors() == before
    Replica.open(tmp_path / "new/root").close()


def test_a_second_client_is_told(tmp_path):
    replica = Replica.open(tmp_path / "root")
    before = open_descriptors()
    with pytest.raises(ReplicaBusy) as caught:
        Replica.open(tmp_path / "root")
    assert str(caught.value) == f"another client is at work in {tmp_path / 'root'}"
    assert caught.value.hint
    assert open_descriptors() == before
    replica.close()


def test_the_state_may_be_elsewhere_but_not_shared(tmp_path):
    replica = Replica.open(tmp_path / "root", tmp_path / "state")
    assert (tmp_path / "state/index.sqlite").exists()
    assert not (tmp_path / "root/.pyzsync/index.sqlite").exists()
    with pytest.raises(ReplicaBusy) as caught:
        Replica.open(tmp_path / "other", tmp_path / "state")
    assert caught.value.directory == tmp_path / "state"
    replica.close()


@pytest.mark.parametrize("state", [".", "state", "a/../b"])
def test_the_state_may_not_be_in_the_tree(tmp_path, state):
    with pytest.raises(StateInRoot) as caught:
        Replica.open(tmp_path, tmp_path / state)
    assert str(caught.value).startswith("the state directory /")
    assert str(caught.value).endswith(f"lies in the replica {tmp_path}")


def test_the_state_may_be_in_the_private_directory(tmp_path):
    Replica.open(tmp_path, tmp_path / ".pyzsync/state").close()


@pytest.mark.parametrize("mode", [0o770, 0o702])
def test_a_private_directory_that_others_may_write_is_not_believed(tmp_path, mode):
    (tmp_path / ".pyzsync").mkdir()
    (tmp_path / ".pyzsync").chmod(mode)
    with pytest.raises(NotPrivate, match=r"other users could write to .*\.pyzsync"):
        Replica.open(tmp_path)


def test_a_private_directory_of_somebody_else_is_not_believed(tmp_path, monkeypatch):
    (tmp_path / ".pyzsync").mkdir(mode=0o700)
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    with pytest.raises(NotPrivate):
        Replica.open(tmp_path)
