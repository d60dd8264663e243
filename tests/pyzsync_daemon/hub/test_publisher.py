import asyncio
import os
import shutil
import threading
from contextlib import asynccontextmanager

import pytest
from structlog.testing import capture_logs

from protocol.messages import Kind
from pyzsync_daemon.files.root import Root
from pyzsync_daemon.files.trees import TreeStore
from pyzsync_daemon.hub.index import HubIndex
from pyzsync_daemon.hub.publisher import Publisher
from pyzsync_daemon.hub.publishing import PublisherSettings, State

BOUND = 30  # seconds until a test gives up


class Published:
    """A publisher at work, and the batches that it told of."""

    def __init__(self, path, step, **settings):
        self.path = path / "root"
        self.path.mkdir(exist_ok=True)
        self.root = Root(self.path)
        self.index = HubIndex(path / "hub.db")
        self.store = TreeStore(path / "trees")
        self.batches = []
        self.news = asyncio.Event()
        self.publisher = Publisher(
            self.root,
            self.index,
            self.store,
            PublisherSettings(**settings),
            self.on_batch,
            step=step,
        )

    def on_batch(self, batch):
        self.batches.append(batch)
        self.news.set()

    def write(self, path, data=b"x"):
        target = self.path / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)

    def live(self):
        return {record.change.path: record.change for record in self.index.entries()}

    async def until(self, holds):
        """Wait for batches until ``holds(live entries)``."""
        while not holds(self.live()):
            self.news.clear()
            await self.news.wait()

    async def until_state(self, state):
        await eventually(lambda: self.publisher.status.state is state)


async def eventually(holds):
    """Wait for something that tells nobody; ``published`` bounds it."""
    while not holds():  # noqa: ASYNC110 - there is no event
        await asyncio.sleep(0.005)


@asynccontextmanager
async def published(path, *, step=lambda _: None, prepare=lambda root: None, **settings):
    hub = Published(path, step, **settings)
    prepare(hub)
    stop = asyncio.Event()
    with capture_logs() as hub.logs:
        async with asyncio.timeout(BOUND):
            running = asyncio.create_task(hub.publisher.run(stop))
            ready = asyncio.create_task(hub.publisher.ready.wait())
            await asyncio.wait([running, ready], return_when=asyncio.FIRST_COMPLETED)
            try:
                yield hub
            finally:
                ready.cancel()
                stop.set()
                await running
                hub.index.close()
                hub.root.close()


async def test_what_is_there_is_told_before_it_is_ready(tmp_path):
    def prepare(hub):
        hub.write("d/f")
        hub.write("big", bytes(2000))
        (hub.path / ".git").mkdir()

    async with published(tmp_path, prepare=prepare, big_bytes=1000) as hub:
        assert set(hub.live()) == {"d", "d/f", "big", ".git"}
        status = hub.publisher.status
        assert (status.state, status.watching, status.entries) == (State.LIVE, True, 4)
        assert hub.batches[-1].position == hub.index.position()


async def test_edits_are_told_with_a_line_each(tmp_path):
    async with published(tmp_path) as hub:
        hub.write("f", b"one")
        await hub.until(lambda live: "f" in live and live["f"].size == 3)
        hub.write("f", b"three")
        await hub.until(lambda live: live["f"].size == 5)
        (hub.path / "f").chmod(0o600)
        await hub.until(lambda live: live["f"].mode == 0o600)
        (hub.path / "f").unlink()
        await hub.until(lambda live: not live)
    lines = [line for line in hub.logs if line["event"] == "announced"]
    assert {(line["path"], line["kind"]) for line in lines} == {("f", "file"), ("f", "absent")}
    assert all(line["ms"] >= 0 for line in lines)


async def test_a_directory_filled_at_once_is_told_whole(tmp_path):
    async with published(tmp_path) as hub:
        for number in range(40):
            hub.write(f"new/{number % 4}/deep/f{number}")
        await hub.until(lambda live: len(live) == 1 + 4 + 4 + 40)


async def test_a_rename_is_one_batch_with_the_creation_first(tmp_path):
    def prepare(hub):
        hub.write("keep")
        hub.write("a", b"content")

    async with published(tmp_path, prepare=prepare) as hub:
        (hub.path / "a").rename(hub.path / "b")
        await hub.until(lambda live: set(live) == {"keep", "b"})
        told = [(c.path, c.kind) for c in hub.batches[-1].changes]
        assert told == [("b", Kind.FILE), ("a", Kind.ABSENT)]


async def test_kinds_change(tmp_path):
    def prepare(hub):
        hub.write("x/inner")
        hub.write("keep")

    async with published(tmp_path, prepare=prepare) as hub:
        shutil.rmtree(hub.path / "x")
        hub.write("x", b"file")
        await hub.until(lambda live: live["x"].kind is Kind.FILE and "x/inner" not in live)
        (hub.path / "x").unlink()
        (hub.path / "x").symlink_to("keep")
        await hub.until(lambda live: live["x"].target == "keep")
        (hub.path / "x").unlink()
        (hub.path / "x").mkdir()
        await hub.until(lambda live: live["x"].kind is Kind.DIRECTORY)


async def test_a_name_that_is_not_utf8_is_told_and_the_watch_goes_on(tmp_path):
    name = os.fsdecode(b"\xff\xfe")
    async with published(tmp_path) as hub:
        hub.write(name)
        await hub.until(lambda live: name in live)
        hub.write("after")
        await hub.until(lambda live: "after" in live)


async def test_a_small_file_does_not_wait_for_a_big_one(tmp_path):
    gate = threading.Event()

    def step(path):
        if path == "big":
            gate.wait(BOUND)

    async with published(tmp_path, step=step, big_bytes=1000) as hub:
        try:
            hub.write("big", bytes(2000))
            await eventually(lambda: "big" in hub.publisher.status.hashing)
            hub.write("small")
            await hub.until(lambda live: "small" in live)
            assert "big" not in hub.live()
            hub.publisher.request_rescan()  # nor does a scan begin to read it twice
            hub.write("later")
            await hub.until(lambda live: "later" in live)
        finally:
            gate.set()
        await hub.until(lambda live: "big" in live)


async def test_a_big_file_is_read_once_though_it_was_just_written(tmp_path):
    reads = []
    async with published(tmp_path, step=reads.append, big_bytes=1000) as hub:
        hub.write("big", bytes(2000))
        await hub.until(lambda live: "big" in live)
        hub.write("next")
        await hub.until(lambda live: "next" in live)
        assert not hub.index.get("big").racy
        assert reads.count("big") == 2  # its one window, and its end


async def test_a_file_that_never_settles_is_reported_and_holds_up_nothing(tmp_path):
    restless = True

    def step(path):
        if path == "restless" and restless:
            with (tmp_path / "root" / path).open("ab") as file:
                file.write(b"more")

    async with published(tmp_path, step=step) as hub:
        hub.write("restless")
        await eventually(lambda: "restless" in hub.publisher.status.problems)
        hub.write("other")
        await hub.until(lambda live: "other" in live)
        assert "restless" not in hub.live()
        restless = False
        await hub.until(lambda live: "restless" in live)
        assert hub.publisher.status.problems == {}


async def test_a_file_written_all_the_time_is_told_at_intervals(tmp_path):
    async with published(tmp_path) as hub:

        async def write():
            while True:
                with (hub.path / "log").open("ab") as file:
                    file.write(b"line\n")
                await asyncio.sleep(0.001)

        writing = asyncio.create_task(write())
        sizes = set()
        while len(sizes) < 4:
            await hub.until(lambda live: "log" in live and live["log"].size not in sizes)
            sizes.add(hub.live()["log"].size)
        writing.cancel()


async def test_what_is_racy_is_looked_at_again(tmp_path):
    async with published(tmp_path) as hub:
        hub.write("f")
        await hub.until(lambda live: "f" in live)
        await eventually(lambda: not hub.index.get("f").racy)
        assert [len(batch.changes) for batch in hub.batches] == [1]


async def test_a_requested_path_is_read_again(tmp_path):
    async with published(tmp_path, prepare=lambda hub: hub.write("f")) as hub:
        version = hub.live()["f"].version
        hub.store.drop(version)
        hub.publisher.request_rescan("f")
        await eventually(lambda: hub.store.load(version) is not None)


async def test_rescans_find_what_no_event_told(tmp_path, monkeypatch):
    monkeypatch.setattr("pyzsync_daemon.hub.watcher.Watcher._report", lambda *_: None)
    async with published(tmp_path, rescan_s=0.05) as hub:
        hub.write("unnoticed")
        await hub.until(lambda live: "unnoticed" in live)


async def test_ignored_paths_are_not_told(tmp_path):
    async with published(tmp_path, ignore=("*.o", "build/")) as hub:
        hub.write("build/x")
        hub.write("a.o")
        hub.write(".pyzsync/conflicts/x")
        hub.write("b")
        await hub.until(lambda live: "b" in live)
        hub.publisher.request_rescan()
        hub.write("c")
        await hub.until(lambda live: "c" in live)
        assert set(hub.live()) == {"b", "c"}


class TestHalting:
    @staticmethod
    def fill(hub):
        for number in range(30):
            hub.write(f"f{number}")

    async def test_an_emptied_root_is_not_told_and_comes_back(self, tmp_path):
        settings = {"prepare": self.fill, "halted_retry_s": 0.02}
        async with published(tmp_path, **settings) as hub:
            before = hub.index.position()
            for path in hub.path.iterdir():
                path.rename(tmp_path / path.name)
            await hub.until_state(State.HALTED)
            assert "entries are gone" in hub.publisher.status.reason
            assert hub.index.position().seq - before.seq <= 20  # the floor: seen in several steps
            for number in range(30):
                (tmp_path / f"f{number}").rename(hub.path / f"f{number}")
            await hub.until_state(State.LIVE)
            await hub.until(lambda live: len(live) == 30)
            hub.write("new")
            await hub.until(lambda live: "new" in live)
            assert hub.publisher.status.reason == ""

    async def test_a_vanished_root_halts_and_another_one_is_taken(self, tmp_path):
        settings = {"prepare": self.fill, "halted_retry_s": 0.02}
        async with published(tmp_path, **settings) as hub:
            before = hub.index.position()
            hub.path.rename(tmp_path / "elsewhere")
            await hub.until_state(State.HALTED)
            assert hub.index.position() == before
            shutil.copytree(tmp_path / "elsewhere", hub.path)
            await hub.until_state(State.LIVE)
            hub.write("new")  # and it is watched
            await hub.until(lambda live: len(live) == 31)

    async def test_a_hub_that_starts_with_an_emptied_root_is_ready_and_halted(self, tmp_path):
        async with published(tmp_path, prepare=self.fill):
            pass
        shutil.rmtree(tmp_path / "root")
        async with published(tmp_path, halted_retry_s=0.02) as hub:
            assert hub.publisher.ready.is_set()
            assert hub.publisher.status.state is State.HALTED
            assert len(hub.live()) == 30
            assert hub.batches == []


class TestFirstScan:
    """Before it is over no client is served: a part of the tree would be all there is."""

    async def test_a_full_disk_in_the_middle_of_it(self, tmp_path, monkeypatch):
        monkeypatch.setattr("pyzsync_daemon.hub.ingest.CHUNK_FILES", 4)
        full = True

        def prepare(hub):
            for number in range(10):
                hub.write(f"f{number}")
            real = hub.index.commit

            def commit(records):
                if full and hub.index.live:
                    raise OSError(28, "No space left on device")
                return real(records)

            monkeypatch.setattr(hub.index, "commit", commit)

        async with published(tmp_path, prepare=prepare, halted_retry_s=0.02) as hub:
            assert hub.publisher.ready.is_set()
            assert (hub.index.live, hub.index.complete) == (4, False)
            assert hub.publisher.status.state is State.HALTED
            full = False
            await eventually(lambda: hub.index.complete)
            assert hub.index.live == 10

    async def test_a_file_that_is_written_is_waited_for(self, tmp_path):
        restless = True

        def step(path):
            if path == "restless" and restless:
                with (tmp_path / "root" / path).open("ab") as file:
                    file.write(b"more")

        hub = Published(tmp_path, step, first_scan_patience_s=3600.0, first_scan_again_s=0.02)
        hub.write("restless")
        hub.write("other")
        stop = asyncio.Event()
        with capture_logs() as logs:
            running = asyncio.create_task(hub.publisher.run(stop))
            async with asyncio.timeout(BOUND):
                await eventually(lambda: "restless" in hub.publisher.status.problems)
                assert set(hub.live()) == {"other"}
                assert not hub.index.complete
                assert not hub.publisher.ready.is_set()
                restless = False
                await hub.publisher.ready.wait()
            assert set(hub.live()) == {"other", "restless"}
            assert hub.index.complete
            stop.set()
            await running
        assert "served without paths that cannot be read" not in {line["event"] for line in logs}
        hub.index.close()
        hub.root.close()

    @pytest.mark.parametrize("big_bytes", [1, 1000])
    async def test_but_not_for_ever(self, tmp_path, big_bytes):
        def step(path):
            if path == "restless":
                with (tmp_path / "root" / path).open("ab") as file:
                    file.write(b"more")

        settings = {"first_scan_patience_s": 0.1, "first_scan_again_s": 0.02}
        prepare = lambda hub: (hub.write("restless", b"xx"), hub.write("other"))  # noqa: E731
        async with published(
            tmp_path, step=step, prepare=prepare, big_bytes=big_bytes, **settings
        ) as hub:
            assert hub.index.complete
            assert set(hub.live()) == {"other"}
        assert "served without paths that cannot be read" in {line["event"] for line in hub.logs}

    async def test_a_later_start_waits_for_nothing(self, tmp_path):
        async with published(tmp_path, prepare=lambda hub: hub.write("a")):
            pass

        def step(path):
            with (tmp_path / "root" / path).open("ab") as file:
                file.write(b"more")

        prepare = lambda hub: hub.write("restless")  # noqa: E731
        async with published(
            tmp_path, step=step, prepare=prepare, first_scan_patience_s=3600.0
        ) as hub:
            assert hub.publisher.ready.is_set()
            assert set(hub.live()) == {"a"}

    async def test_it_does_not_wait_for_a_watch_that_takes_long(self, tmp_path, monkeypatch):
        monkeypatch.setattr("pyzsync_daemon.hub.watcher.Watcher._watch", _never_armed)
        prepare = lambda hub: hub.write("a")  # noqa: E731
        settings = {"arming_s": 0.05, "progress_s": 0.01}
        async with published(tmp_path, prepare=prepare, **settings) as hub:
            assert set(hub.live()) == {"a"}
            assert not hub.publisher.status.watching
        assert sum(line["event"] == "reading the tree" for line in hub.logs) > 1


def _never_armed(watcher):
    watcher._stopping.wait(BOUND)


async def test_what_no_retry_can_mend_is_raised(tmp_path, monkeypatch):
    def broken(*args, **kwargs):
        raise RuntimeError("a bug")

    hub = Published(tmp_path, lambda _: None)
    monkeypatch.setattr("pyzsync_daemon.hub.ingest.scan", broken)
    with pytest.raises(RuntimeError, match="a bug"):
        await hub.publisher.run(asyncio.Event())
    hub.index.close()
    hub.root.close()


async def test_it_can_be_cancelled_in_the_middle_of_a_file(tmp_path):
    reached = threading.Event()
    hub = Published(tmp_path, lambda _: reached.set(), big_bytes=1000)
    hub.write("big", bytes(8 * 2**20))
    running = asyncio.create_task(hub.publisher.run(asyncio.Event()))
    assert await asyncio.to_thread(reached.wait, BOUND)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert hub.live() == {}
    hub.index.close()
    hub.root.close()
