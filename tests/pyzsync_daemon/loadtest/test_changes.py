import time

import pytest

from pyzsync_daemon.loadtest import changes
from pyzsync_daemon.loadtest.changes import KINDS, Tree, tree_of
from pyzsync_daemon.loadtest.watch import ABSENT
from tests.simulation.disk import contents


@pytest.fixture
def tree(tmp_path, monkeypatch):
    monkeypatch.setattr(changes, "BURST_S", 0.0)
    for name in ("root", "spare"):
        (tmp_path / name).mkdir()
    return Tree(tmp_path / "root", tmp_path / "spare", files=3, size=50_000)


@pytest.mark.parametrize("kind", KINDS)
def test_a_change_makes_what_it_expects(tree, tmp_path, kind):
    for _ in range(4):
        before = contents(tmp_path / "root")
        change = tree.prepare(kind, 6000)
        assert contents(tmp_path / "root") == before  # nothing happens before the clock starts
        began = time.monotonic()
        assert began <= change.write() <= time.monotonic()
        after = contents(tmp_path / "root")
        changed = {edit.path: (edit.old, edit.new) for edit in change.edits}
        paths = before.keys() | after.keys()
        assert changed == {
            path: (before.get(path), after.get(path))
            for path in paths
            if before.get(path) != after.get(path)
        }
        assert change.kind == kind
        assert change.expected == {
            path: ABSENT if new is None else tree_of(new).version
            for path, (_, new) in changed.items()
        }


def test_the_same_seed_makes_the_same_tree(tree, tmp_path):
    for name in ("other", "other-spare"):
        (tmp_path / name).mkdir()
    Tree(tmp_path / "other", tmp_path / "other-spare", files=3, size=50_000)
    assert contents(tmp_path / "other") == contents(tmp_path / "root")


def test_an_edit_keeps_the_length_and_an_insertion_moves_everything(tree):
    [edit] = tree.prepare("edit", 1000).edits
    assert len(edit.new) == len(edit.old)
    different = sum(a != b for a, b in zip(edit.old, edit.new, strict=True))
    assert 900 < different <= 1000
    [edit] = tree.prepare("insert", 1000).edits
    assert edit.new[1000:] == edit.old


def test_small_files_add_up(tree):
    edits = tree.prepare("small", 10 * changes.SMALL_BYTES).edits
    assert [len(edit.new) for edit in edits] == [changes.SMALL_BYTES] * 10


def test_the_whole_tree_is_without_what_is_reserved(tree, tmp_path):
    (tmp_path / "root" / ".pyzsync").mkdir()
    (tmp_path / "root" / ".pyzsync" / "x").touch()
    assert {each.path: each.new for each in tree.whole()} == contents(tmp_path / "root")
