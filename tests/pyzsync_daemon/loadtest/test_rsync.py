import pytest

from pyzsync_daemon.loadtest import rsync
from pyzsync_daemon.loadtest.rsync import Rsync, RsyncFailed, installed
from tests.simulation.disk import contents

needs_rsync = pytest.mark.skipif(not installed(), reason="rsync is not installed")


@needs_rsync
async def test_pulls_are_measured_and_scaled(root, tmp_path):
    peer = Rsync(root, tmp_path / "rsync")
    try:
        await peer.start()
        for data in (b"new", b"newer"):
            (root / "f").write_bytes(data)
            told = await peer.measure(2, 1000)
            assert (told.name, told.note) == ("rsync", "2 pulls, scaled to 1000")
            assert told.times.last == pytest.approx(1000 * told.times.first)
            assert told.cpu_s >= 0
            assert contents(tmp_path / "rsync" / "before") == {"f": data}
        assert {path.name for path in (tmp_path / "rsync").iterdir()} == {"before", "rsyncd.conf"}
    finally:
        await peer.stop()


@needs_rsync
async def test_a_pull_that_fails_says_why(root, tmp_path):
    peer = Rsync(root, tmp_path / "rsync")
    try:
        await peer.start()
        (tmp_path / "rsync" / "before" / "f").unlink()
        root.rename(tmp_path / "elsewhere")
        with pytest.raises(
            RsyncFailed, match=r"(?s)the comparison with rsync failed: .*rsync error"
        ):
            await peer.measure(1, 10)
    finally:
        await peer.stop()


def test_without_rsync_there_is_nothing_to_compare_with(monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert not rsync.installed()
