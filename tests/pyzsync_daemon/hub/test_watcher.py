import os
import queue
import shutil

import pytest
import watchfiles
from structlog.testing import capture_logs

from pyzsync_daemon.hub import watcher as module
from pyzsync_daemon.hub.watcher import Watcher
from pyzsync_daemon.ignore import Ignore

BOUND = 20  # seconds until a test gives up


class Watched:
    """A directory under watch, and what was told of it."""

    def __init__(self, root, ignore=()):
        self.root = root
        self.told = queue.Queue()
        self.gone = set()
        self.watcher = Watcher(root, Ignore(ignore).hides, self.tell)

    def tell(self, paths, gone):
        self.gone |= gone
        self.told.put(paths)

    def __enter__(self):
        self.watcher.start()
        assert self.told.get(timeout=BOUND) is None  # armed
        return self

    def __exit__(self, *exc):
        self.watcher.stop()

    def until(self, wanted):
        """What was told up to ``wanted``: a path, or None for everything."""
        told = []
        while True:
            paths = self.told.get(timeout=BOUND)
            told.append(paths)
            if paths is None if wanted is None else paths is not None and wanted in paths:
                return told


@pytest.fixture
def root(tmp_path):
    (tmp_path / "root").mkdir()
    return tmp_path / "root"


def test_it_is_armed_before_it_says_so(root):
    with Watched(root) as watched:
        assert watched.watcher.armed
        (root / "f").write_text("x")
        assert watched.until("f") == [{"f"}]
    assert not watched.watcher.armed


@pytest.mark.parametrize("name", [".git", "a.swp", "__pycache__", ".hidden", "a b\n"])
def test_nothing_is_filtered_but_what_is_ignored(root, name):
    with Watched(root, ["*.o"]) as watched:
        (root / ".pyzsync").mkdir()
        (root / ".pyzsync" / "state").write_text("x")
        (root / "x.o").write_text("x")
        (root / name).write_text("x")
        told = watched.until(name)
    assert set().union(*told) == {name}


def test_renames_and_deletions_are_told(root):
    (root / "a").write_text("x")
    (root / "d").mkdir()
    (root / "d" / "f").write_text("x")
    with Watched(root) as watched:
        (root / "a").rename(root / "b")
        assert "a" in set().union(*watched.until("b"))
        assert watched.gone == {"a"}
        shutil.rmtree(root / "d")
        watched.until("d")


def test_a_name_that_is_not_utf8_means_a_scan_and_a_new_watch(root):
    with capture_logs() as logs, Watched(root) as watched:
        (root / os.fsdecode(b"\xff\xfe")).write_text("x")
        watched.until(None)
        (root / "after").write_text("x")
        watched.until("after")
    assert [entry["event"] for entry in logs] == ["watch ended"]
    assert "Unable to decode path" in logs[0]["error"]


def test_a_missing_root_is_told_once_and_watched_when_it_comes(tmp_path):
    root = tmp_path / "later"
    told = queue.Queue()
    watcher = Watcher(root, Ignore().hides, lambda paths, _: told.put(paths))
    with capture_logs() as logs:
        watcher.start()
        assert told.get(timeout=BOUND) is None
        assert not watcher.armed
        root.mkdir()
        assert told.get(timeout=BOUND) is None
        assert watcher.armed
        watcher.stop()
    assert logs[0]["event"] == "watch ended"


def test_a_replaced_root_is_watched_after_rearming(root, tmp_path):
    with Watched(root) as watched:
        root.rename(tmp_path / "old")
        root.mkdir()
        watched.watcher.rearm()
        watched.until(None)
        (root / "f").write_text("x")
        watched.until("f")


def test_the_end_of_the_root_is_told(root):
    with Watched(root) as watched:
        root.rmdir()
        watched.until(None)


def test_a_flood_of_events_means_a_scan_too(root, monkeypatch):
    monkeypatch.setattr(module, "FLOOD", 3)
    with Watched(root) as watched:
        watched.watcher._report({(watchfiles.Change.added, str(root / name)) for name in "abc"})
        assert watched.told.get(timeout=BOUND) == {"a", "b", "c"}
        assert watched.told.get(timeout=BOUND) is None


def test_an_unreadable_directory_leaves_the_rest_watched_as_far_as_can_be(root, monkeypatch):
    real, lenient = module.watch, []

    def strict(*args, ignore_permission_denied, **kwargs):
        lenient.append(ignore_permission_denied)
        if not ignore_permission_denied:
            raise PermissionError(13, "Permission denied")
        return real(*args, ignore_permission_denied=True, **kwargs)

    monkeypatch.setattr(module, "watch", strict)
    with capture_logs() as logs, Watched(root) as watched:
        assert watched.told.get(timeout=BOUND) is None  # the first time it only failed
        (root / "f").write_text("x")
        watched.until("f")
    assert lenient == [False, True]
    assert logs[0]["event"] == "part of the tree is found by rescans only"


def test_stopping_is_prompt_while_watching_fails(root, monkeypatch):
    def broken(*args, **kwargs):
        raise OSError(28, "No space left on device: too many watches")

    monkeypatch.setattr(module, "watch", broken)
    assert module.watch is not watchfiles.watch
    told = queue.Queue()
    watcher = Watcher(root, Ignore().hides, lambda paths, _: told.put(paths))
    with capture_logs():
        watcher.start()
        assert told.get(timeout=BOUND) is None
        watcher.stop()
    assert told.empty()


def test_at_the_limit_of_watches_it_is_said_once_and_tried_again_at_leisure(root, monkeypatch):
    tries = queue.Queue()

    def full(*args, **kwargs):
        tries.put(None)
        raise OSError('OS file watch limit reached. about ["/d"]')

    monkeypatch.setattr(module, "watch", full)
    monkeypatch.setattr(module, "LONGEST_PAUSE_S", 0.0)
    told = queue.Queue()
    with capture_logs() as logs:
        quick = Watcher(root, Ignore().hides, lambda paths, _: told.put(paths), rescan_s=0.01)
        quick.start()
        for _ in range(3):
            tries.get(timeout=BOUND)
        quick.stop()
        assert (len(logs), logs[0]["hint"]) == (1, module.LIMIT)
        assert "fs.inotify.max_user_watches" in module.LIMIT
        patient = Watcher(root, Ignore().hides, lambda paths, _: told.put(paths), rescan_s=3600.0)
        while not tries.empty():
            tries.get()
        patient.start()
        tries.get(timeout=BOUND)
        with pytest.raises(queue.Empty):
            tries.get(timeout=0.3)
        patient.stop()
