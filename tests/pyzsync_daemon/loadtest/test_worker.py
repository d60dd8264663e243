import json
import subprocess
import sys
import weakref

from pyzsync_daemon.loadtest.changes import tree_of
from pyzsync_daemon.loadtest.worker import Worker

NEW = b"new"


class Knot:
    """Refers to itself."""


def cycle():
    knot = Knot()
    knot.itself = knot
    return weakref.ref(knot)


async def test_it_does_what_it_is_told(root, url, tmp_path):
    worker = Worker()

    async def ok(do, **order):
        answer = await worker.answer({"do": do, **order})
        assert list(answer) == ["ok"], answer
        return answer["ok"]

    setup = {"url": url, "count": 2, "home": str(tmp_path / "replicas"), "base": "", "ca": ""}
    await ok("start", **setup, empty=False, seconds=60)
    await ok("arm", expected={"f": tree_of(NEW).version.hex()})
    (root / "f").write_bytes(NEW)
    seen = await ok("seen", seconds=60)
    assert {key: len(values) for key, values in seen.items()} == {
        "done": 2,
        "heard": 2,
        "received": 2,
    }
    json.dumps(seen)
    await ok("pause", count=0)
    await ok("churn", rate=0)
    assert await ok("level", seconds=60) == 0
    await ok("spoil", client=1, path="f")
    assert await ok("differences", root=str(root)) == [(1, "f: the bytes at 1")]
    garbage = cycle()
    await ok("arm", expected=None)
    assert garbage() is None  # it is cleared away between rounds, as it is not in them
    await ok("hold")
    await ok("release")
    assert None not in (await ok("seen", seconds=60))["done"]
    await ok("anew")
    await ok("stop")


async def test_an_error_is_an_answer():
    worker = Worker()
    assert await worker.answer({"do": "tidy"}) == {"error": "KeyError: 'tidy'"}
    assert "no clients were started" in (await worker.answer({"do": "hold"}))["error"]


def test_it_ends_with_its_input():
    done = subprocess.run(
        [sys.executable, "-m", "pyzsync_daemon.loadtest.worker"],
        input='{"do": "bare_seen", "seconds": 0}\n',
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert (done.stdout, done.stderr) == ('{"ok": []}\n', "")
