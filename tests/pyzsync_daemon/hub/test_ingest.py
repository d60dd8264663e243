import shutil

import pytest
from structlog.testing import capture_logs

from protocol.messages import Kind
from pyzsync_daemon.files.root import Root
from pyzsync_daemon.files.trees import TreeStore
from pyzsync_daemon.hub import ingest as module
from pyzsync_daemon.hub import rewrites
from pyzsync_daemon.hub.hashing import Unreadable, Unsettled
from pyzsync_daemon.hub.index import HubIndex
from pyzsync_daemon.hub.ingest import Ingest, Stopped
from pyzsync_daemon.hub.publishing import Halted, PublisherSettings
from pyzsync_daemon.hub.records import Record
from pyzsync_daemon.ignore import Ignore


class Hub:
    """A root and what is needed to publish it, driven by hand."""

    def __init__(self, path, **settings):
        self.path = path / "root"
        self.path.mkdir(exist_ok=True)
        self.root = Root(self.path)
        self.index = HubIndex(path / "hub.db")
        self.store = TreeStore(path / "trees")
        self.reads = []
        self.settings = PublisherSettings(**settings)
        self.restart()

    def restart(self):
        self.ingest = Ingest(
            self.root, Ignore(), self.index, self.store, self.settings, self.reads.append
        )

    def close(self):
        self.index.close()
        self.root.close()

    def write(self, path, data=b"x"):
        target = self.path / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)

    def work(self):
        steps = []
        while self.ingest.busy:
            steps.append(self.ingest.work())
        return steps

    def survey(self):
        """A whole scan; the batches it came to, and what was left for the big lane."""
        found, _ = self.ingest.survey()
        taken = self.ingest.accept(found, 0.0)
        return self.work(), taken

    def examine(self, *paths, suspects=()):
        taken = self.ingest.examine(paths, suspects, 0.0)
        return self.work(), taken

    def live(self):
        return [record.change.path for record in self.index.entries()]


@pytest.fixture
def hub(tmp_path):
    made = Hub(tmp_path, big_bytes=1000)
    yield made
    made.close()


def said(steps):
    return [(change.path, change.kind) for step in steps for change in step.batch.changes]


def test_a_tree_is_published_and_then_costs_nothing(hub):
    hub.write("d/f", b"content")
    hub.write("g", b"content")
    (hub.path / "l").symlink_to("g")
    steps, _ = hub.survey()
    assert said(steps) == [
        ("d", Kind.DIRECTORY),
        ("d/f", Kind.FILE),
        ("g", Kind.FILE),
        ("l", Kind.SYMLINK),
    ]
    changes = {change.path: change for change in steps[0].batch.changes}
    assert changes["d/f"].version == changes["g"].version
    assert hub.store.load(changes["g"].version).length == 7
    assert steps[0].again[-1] == "d"  # it is looked at a second time
    hub.reads.clear()
    racy = [record.change.path for record in hub.index.entries() if record.racy]
    hub.survey()
    assert set(hub.reads) == set(racy) & {"d/f", "g"}


def test_a_restart_reads_only_what_changed(hub):
    hub.write("a")
    hub.write("b")
    hub.survey()
    settled = [(record.change, record.fingerprint) for record in hub.index.entries()]
    hub.index.commit(Record(change, print_) for change, print_ in settled)
    hub.reads.clear()
    hub.write("b", b"new")
    hub.restart()
    assert said(hub.survey()[0]) == [("b", Kind.FILE)]
    assert set(hub.reads) == {"b"}


def test_a_restart_makes_lost_trees_again(hub):
    hub.write("a")
    hub.survey()
    version = hub.index.get("a").change.version
    hub.store.drop(version)
    hub.restart()
    assert said(hub.survey()[0]) == []
    assert hub.store.load(version) is not None


def test_a_suspect_is_read_again(hub):
    hub.write("a")
    hub.survey()
    version = hub.index.get("a").change.version
    hub.store.drop(version)
    assert said(hub.examine("a", suspects=["a"])[0]) == []
    assert hub.store.load(version) is not None


def test_trees_are_dropped_when_nobody_needs_them(tmp_path):
    hub = Hub(tmp_path, older_trees_bytes=0)
    for data in (b"1", b"2", b"3", b"4"):
        hub.write("a", data)
        hub.examine("a")
    hub.survey()  # what was saved since the last one stays
    assert len(list(hub.store.versions())) == 4
    hub.write("a", b"5")
    hub.examine("a")
    hub.survey()
    kept = set(hub.store.versions())
    assert kept == hub.index.versions_to_keep()
    hub.close()


def test_trees_of_older_versions_stay_while_they_have_room(hub):
    for data in (b"1", b"2", b"3", b"4"):
        hub.write("a", data)
        hub.examine("a")
    for _ in range(2):
        hub.survey()
    assert len(list(hub.store.versions())) == 4


def test_work_is_done_in_chunks_with_deletions_last(hub, monkeypatch):
    monkeypatch.setattr(module, "CHUNK_FILES", 4)
    hub.write("keep")
    hub.write("old")
    hub.survey()
    (hub.path / "old").unlink()
    for number in range(8):
        hub.write(f"d/f{number}")
    steps, _ = hub.survey()
    # "keep", which may be read again, is in the chunk that the file system's order says.
    counts = [len(step.batch.changes) for step in steps]
    assert (len(counts), max(counts), sum(counts)) == (3, 4, 10)
    assert said(steps)[0] == ("d", Kind.DIRECTORY)
    assert said(steps)[-1] == ("old", Kind.ABSENT)


def test_an_edit_does_not_wait_for_a_large_scan(hub, monkeypatch):
    monkeypatch.setattr(module, "CHUNK_FILES", 2)
    for number in range(9):
        hub.write(f"f{number}")
    found, _ = hub.ingest.survey()
    hub.ingest.accept(found, 0.0)
    hub.ingest.work()
    hub.write("edit")
    hub.ingest.examine(["edit"], (), 0.0)
    assert said([hub.ingest.work()]) == [("edit", Kind.FILE)]
    hub.work()
    assert len(hub.live()) == 10
    assert len(hub.reads) == 2 * 10  # each file once: its window, and its end


def test_a_moved_directory_is_one_batch_and_reads_nothing(hub):
    for number in range(30):
        hub.write(f"d/f{number}", b"%d" % number)
    hub.survey()
    known = [(record.change, record.fingerprint) for record in hub.index.entries()]
    hub.index.commit(Record(change, print_) for change, print_ in known)
    hub.reads.clear()
    (hub.path / "d").rename(hub.path / "e")
    (step,), _ = hub.examine("d", "e")
    kinds = [kind is Kind.ABSENT for _, kind in said([step])]
    assert kinds == [False] * 31 + [True] * 31
    assert hub.reads == []


def test_kinds_change_in_one_batch(hub):
    hub.write("x/inner")
    hub.survey()
    shutil.rmtree(hub.path / "x")
    hub.write("x", b"a file")
    assert said(hub.examine("x")[0]) == [("x", Kind.FILE), ("x/inner", Kind.ABSENT)]


def test_what_is_back_before_the_commit_is_not_deleted(hub):
    hub.write("a")
    hub.write("b")
    hub.survey()
    (hub.path / "a").unlink()
    hub.ingest.examine(["a"], (), 0.0)
    hub.write("a", b"again")
    assert said(hub.work()) == []
    assert said(hub.examine("a")[0]) == [("a", Kind.FILE)]


def test_a_big_file_takes_its_old_name_along(hub):
    hub.write("small")
    hub.write("big", bytes(2000))
    _, taken = hub.survey()
    (seen,) = taken.big
    assert said([hub.ingest.finish(seen, *_read(hub, seen))]) == [("big", Kind.FILE)]
    (hub.path / "big").rename(hub.path / "moved")
    steps, taken = hub.examine("big", "moved")
    assert said(steps) == []  # the old name waits
    (seen,) = taken.big
    step = hub.ingest.finish(seen, *_read(hub, seen))
    assert said([step]) == [("moved", Kind.FILE), ("big", Kind.ABSENT)]
    assert (step.big, step.seconds) == ("moved", 3.0)


def _read(hub, seen):
    reading, seconds = hub.ingest.read_big(seen)
    assert seconds >= 0
    return reading, 0.0, 3.0


def test_a_big_file_that_fails_sets_its_old_name_free(hub):
    hub.write("big", bytes(2000))
    hub.write("other")
    _, taken = hub.survey()
    hub.ingest.finish(taken.big[0], *_read(hub, taken.big[0]))
    (hub.path / "big").rename(hub.path / "moved")
    _, taken = hub.examine("big", "moved")
    step = hub.ingest.finish(taken.big[0], Unsettled("moved"), 0.0, 1.0)
    assert (step.unsettled, step.big) == (("moved", "big"), "moved")
    step = hub.ingest.finish(taken.big[0], Unreadable("moved", "why"), 0.0, 1.0)
    assert (step.unsettled, step.problems) == (("big",), (("moved", "why"),))


class TestGuard:
    @pytest.fixture
    def full(self, tmp_path):
        made = Hub(tmp_path)
        for number in range(50):
            made.write(f"f{number}")
        made.survey()
        yield made
        made.close()

    def empty(self, hub):
        for path in hub.path.iterdir():
            path.unlink()

    def test_a_mass_deletion_halts_and_nothing_is_said(self, full):
        self.empty(full)
        with pytest.raises(Halted, match="all 50 entries are gone; if that was meant, start"):
            full.survey()
        with pytest.raises(Halted, match="50 entries"):
            full.ingest.examine([f"f{number}" for number in range(50)], (), 0.0)
        assert not full.ingest.busy
        assert full.index.live == 50

    def test_moving_is_no_deletion_and_what_is_new_makes_up_for_nothing(self, full):
        (full.path / "d").mkdir()
        for path in list(full.path.glob("f*")):
            path.rename(full.path / "d" / path.name)
        full.survey()
        assert full.index.live == 51
        shutil.rmtree(full.path / "d")
        for number in range(60):
            full.write(f"other{number}")
        with pytest.raises(Halted, match="all 51 entries are gone"):
            full.survey()

    def test_of_another_root_no_large_share_goes_however_few_they_are(self, full):
        swap(full, 24)
        with pytest.raises(Halted, match="another directory is the root now, and 26 of 50"):
            full.survey()
        full.restart()  # a new process knows it too
        with pytest.raises(Halted, match="another directory"):
            full.survey()

    def test_another_root_that_is_much_the_same_is_taken(self, full):
        swap(full, 40)
        full.survey()
        assert full.index.live == 40
        for number in range(15):  # it is this hub's root from now on
            (full.path / f"f{number}").unlink()
        full.survey()

    def test_it_is_believed_once_when_allowed(self, tmp_path, full):
        allowed = Hub(tmp_path, allow_mass_delete=True)
        self.empty(full)
        with capture_logs() as logs:
            allowed.survey()
        assert logs[0]["event"] == "mass deletion allowed"
        assert allowed.index.live == 0
        for number in range(50):
            allowed.write(f"f{number}")
        allowed.survey()
        self.empty(full)
        with pytest.raises(Halted):
            allowed.survey()
        allowed.close()

    def test_a_late_survey_does_not_count_deletions_twice(self, full):
        for number in range(20):
            (full.path / f"f{number}").unlink()
        late, _ = full.ingest.survey()
        full.examine(*[f"f{number}" for number in range(20)])
        full.ingest.accept(late, 0.0)
        assert full.index.live == 30


def swap(hub, kept):
    """Another directory, with so many of the files, is at the root's path."""
    hub.path.rename(hub.path.with_name("before"))
    hub.path.mkdir()
    for number in range(kept):
        hub.write(f"f{number}")


class TestRoot:
    def test_a_vanished_root_halts(self, hub):
        hub.write("a")
        hub.survey()
        hub.path.rename(hub.path.with_name("elsewhere"))
        for attempt in (
            hub.ingest.survey,
            lambda: hub.ingest.examine(["a"], (), 0.0),
        ):
            with pytest.raises(Halted, match="root"):
                attempt()
        assert hub.live() == ["a"]

    def test_another_directory_is_taken_for_the_root_if_the_guard_agrees(self, hub):
        hub.write("a")
        hub.write("b")
        hub.survey()
        hub.path.rename(hub.path.with_name("elsewhere"))
        hub.path.mkdir()
        with pytest.raises(Halted, match="all 2 entries are gone"):
            hub.survey()
        for name in ("a", "b"):
            hub.write(name, b"other content")
        found, reopened = hub.ingest.survey()
        assert not reopened  # that was before
        hub.ingest.accept(found, 0.0)
        assert said(hub.work()) == [("a", Kind.FILE), ("b", Kind.FILE)]

    def test_nothing_is_deleted_when_the_root_goes_before_the_commit(self, hub):
        hub.write("a")
        hub.write("b")
        hub.survey()
        (hub.path / "a").unlink()
        hub.ingest.examine(["a"], (), 0.0)
        hub.path.rename(hub.path.with_name("elsewhere"))
        assert said(hub.work()) == []


def test_problems_and_restless_files_hold_up_nothing(hub):
    hub.write("restless", b"x")
    hub.write("sound")

    def step(path):
        if path == "restless":
            with (hub.path / "restless").open("ab") as file:
                file.write(b"more")

    hub.ingest = Ingest(hub.root, Ignore(), hub.index, hub.store, hub.settings, step)
    (done,), _ = hub.survey()
    assert said([done]) == [("sound", Kind.FILE)]
    assert done.unsettled == ("restless",)


def test_a_file_that_is_being_rewritten_is_not_announced_truncated(hub, monkeypatch):
    monkeypatch.setattr(module, "QUIET_S", 3600.0)
    monkeypatch.setattr(rewrites, "QUIET_S", 3600.0)  # however slow the machine
    hub.write("page", b"x" * 900)
    hub.survey()
    version = hub.index.get("page").change.version
    with (hub.path / "page").open("wb") as page:  # as most programs save
        (step,), _ = hub.examine("page")
        assert step.unsettled == ("page",) and not step.batch.changes
        page.write(b"y" * 900)
        page.flush()
        hub.examine("page")
    change = hub.index.get("page").change
    assert (change.size, change.follows) == (900, version)


def test_stopping_ends_in_the_middle_of_a_file(hub):
    hub.write("a")
    found, _ = hub.ingest.survey()
    hub.ingest.accept(found, 0.0)
    hub.ingest.stopping.set()
    with pytest.raises(Stopped):
        hub.ingest.work()
    hub.ingest.abandon()
    assert not hub.ingest.busy
