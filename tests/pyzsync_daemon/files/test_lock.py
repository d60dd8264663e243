import os

import pytest

from pyzsync_daemon.files.lock import try_lock
from pyzsync_daemon.files.root import Root


def test_one_at_a_time(tmp_path):
    with Root(tmp_path) as folder:
        first = try_lock(folder, "lock")
        assert try_lock(folder, "lock") is None
        other = try_lock(folder, "other")
        os.close(first)
        again = try_lock(folder, "lock")
        assert again is not None
        os.close(again)
        os.close(other)


def test_a_link_in_its_place_is_not_followed(tmp_path):
    (tmp_path / "lock").symlink_to("elsewhere")
    with Root(tmp_path) as folder, pytest.raises(OSError):
        try_lock(folder, "lock")
    assert not (tmp_path / "elsewhere").exists()
