import pytest

from pyzsync_daemon.demo.content import BUNDLE, ROUNDS, fill
from pyzsync_daemon.demo.trees import measure, walk


@pytest.fixture
def root(tmp_path):
    fill(tmp_path)
    return tmp_path


def state(root):
    return {path: (root / path).read_bytes() for path in walk(root) if (root / path).is_file()}


def work(root, name):
    [found] = [item for item in ROUNDS if item.name == name]
    return found.work(root)


def test_fills_with_sources_and_one_big_file(tmp_path):
    written = fill(tmp_path)
    files, size = measure(tmp_path)
    assert size == written < 30_000_000
    assert files > 100
    assert (tmp_path / BUNDLE).stat().st_size > 1_000_000
    assert not any("site-packages" in path for path in walk(tmp_path))


def test_edit_changes_bytes_and_no_sizes(root):
    before = state(root)
    whole = work(root, "edit a line in each")
    changed = {path: data for path, data in state(root).items() if data != before[path]}
    assert BUNDLE in changed
    assert whole == sum(map(len, changed.values()))
    assert all(len(data) == len(before[path]) for path, data in changed.items())


def test_insert_moves_every_byte(root):
    before = state(root)
    whole = work(root, "insert a line in each")
    changed = {path: data for path, data in state(root).items() if data != before[path]}
    assert BUNDLE in changed
    assert whole == sum(map(len, changed.values()))
    assert all(data.endswith(before[path]) for path, data in changed.items())


def test_rename_keeps_the_bytes(root):
    before = state(root)
    whole = work(root, "rename")
    after = state(root)
    assert sorted(after.values()) == sorted(before.values())
    assert whole == sum(len(data) for path, data in after.items() if path not in before)
    assert f"renamed-{BUNDLE}" in after


def test_delete_stays_below_the_guard(root):
    before = state(root)
    assert work(root, "delete") == 0
    after = state(root)
    assert after.items() < before.items()
    assert len(after) > 0.6 * len(before)
