import time

import pytest

from pyzsync_daemon.loadtest.changes import Edit
from pyzsync_daemon.loadtest.daemons import Daemons, DaemonsLate


async def test_real_daemons_follow_and_tell_when(root, url, tmp_path):
    daemons = Daemons(root, tmp_path, 2)
    try:
        await daemons.start(url, None, 60)
        began = time.monotonic()
        (root / "f").write_bytes(b"new")
        (root / "g").write_bytes(b"more")
        done = await daemons.seen([Edit("f", b"", b"new"), Edit("g", None, b"more")], 60)
        assert len(done) == daemons.count == 2
        assert min(done) > began
        (root / "g").unlink()
        assert len(await daemons.seen([Edit("g", b"more", None)], 60)) == 2
        await daemons.verify(60)
        assert await daemons.seen([Edit("f", b"", b"")], 0) == []
    finally:
        await daemons.stop()


async def test_a_replica_that_differs_is_late(root, url, tmp_path):
    daemons = Daemons(root, tmp_path, 1)
    try:
        await daemons.start(url, None, 60)
        (tmp_path / "daemon-000" / "of-its-own").touch()
        with pytest.raises(DaemonsLate, match=r"a client daemon is late: .*of-its-own"):
            await daemons.verify(0)
    finally:
        await daemons.stop()
