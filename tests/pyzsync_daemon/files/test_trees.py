import random
import shutil
from io import BytesIO
from pathlib import Path

import pytest

from pyzsync.tree import MemoryColumns, hash_stream
from pyzsync_daemon.files import trees
from pyzsync_daemon.files.scratch import ScratchColumns
from pyzsync_daemon.files.trees import TreeStore


def tree_of(data):
    return hash_stream(BytesIO(data).read, len(data))


@pytest.fixture
def store(tmp_path):
    return TreeStore(tmp_path / "trees")


@pytest.mark.parametrize("size", [0, 1, 512, 5000, 3 * 2**20 + 1])
def test_a_tree_comes_back_as_it_was(store, size):
    tree = tree_of(random.Random(size).randbytes(size))
    version = store.save(tree)
    loaded = store.load(version)
    assert version == tree.version == loaded.version
    assert loaded.hashes(0).strong.tobytes() == tree.hashes(0).strong.tobytes()
    assert loaded.hashes(0).weak.tobytes() == tree.hashes(0).weak.tobytes()


def test_an_unknown_version_is_none(store):
    assert store.load(bytes(32)) is None


def test_columns_of_large_trees_are_not_in_memory(store, monkeypatch):
    monkeypatch.setattr(trees, "LARGE", 5)
    assert isinstance(store.columns([3, 1]), MemoryColumns)
    assert isinstance(store.columns([4, 1]), ScratchColumns)


def test_saving_twice_writes_once(store):
    version = store.save(tree_of(b"same"))
    (path,) = store.directory.glob("*/*")
    before = path.stat()
    assert store.save(tree_of(b"same")) == version
    assert path.stat() == before
    assert list(store.versions()) == [version]


@pytest.mark.parametrize("damage", [b"", b"short", None])
def test_a_damaged_tree_is_dropped(store, damage):
    version = store.save(tree_of(b"x" * 2000))
    (path,) = store.directory.glob("*/*")
    packed = bytearray(path.read_bytes())
    packed[-1] ^= 1
    path.write_bytes(packed if damage is None else damage)
    assert store.load(version) is None
    assert list(store.versions()) == []


def test_a_tree_under_another_name_is_dropped(store):
    version = store.save(tree_of(b"x"))
    (path,) = store.directory.glob("*/*")
    wrong = path.with_name("0" * 62)
    path.rename(wrong)
    assert store.load(bytes.fromhex(path.parent.name) + bytes(31)) is None
    assert store.load(version) is None
    assert not wrong.exists()


def test_a_loaded_tree_outlives_its_file_and_the_open_ones_are_bounded(store, monkeypatch):
    monkeypatch.setattr(trees, "OPEN_TREES", 2)
    versions = [store.save(tree_of(bytes([n]) * 600)) for n in range(4)]
    loaded = [store.load(version) for version in versions]
    assert store.load(versions[3]) is loaded[3]
    assert store.load(versions[0]) is not loaded[0]
    for version in versions:
        store.drop(version)
    assert [tree.version for tree in loaded] == versions
    assert len(loaded[0].hashes(0)) == 2


def test_collect_spares_what_was_saved_since_the_last_time(store):
    first, second = store.save(tree_of(b"1")), store.save(tree_of(b"2"))
    assert store.collect({first}) == 0
    third = store.save(tree_of(b"3"))
    assert store.collect({first}) == 1
    assert set(store.versions()) == {first, third}
    assert store.load(second) is None


def test_collect_keeps_the_first_of_some_others_that_have_room(store):
    versions = [store.save(tree_of(bytes([n]) * 600)) for n in range(4)]
    store.collect(set(versions))
    (size,) = {path.stat().st_size for path in store.directory.glob("*/*")}
    also = [bytes(32), *versions[:0:-1]]  # the first of them has no tree
    assert store.collect({versions[0]}, also, 2 * size) == 1
    assert set(store.versions()) == {versions[0], versions[3], versions[2]}
    assert store.collect({versions[0]}, also) == 2


def test_collect_spares_what_is_saved_once_more_meanwhile(store):
    """A file that is put back to a version of old: its tree is still here, and needed again."""
    tree = tree_of(b"1")
    store.save(tree)
    store.collect(set())

    def meanwhile():
        store.save(tree)
        yield from ()

    assert store.collect(set(), meanwhile()) == 0
    assert store.load(tree.version) is not None


def test_a_failed_save_leaves_nothing(store, monkeypatch):
    def full(tree, write):
        write(b"half")
        raise OSError(28, "no space left on device")

    monkeypatch.setattr(trees, "write_tree", full)
    with pytest.raises(OSError, match="no space"):
        store.save(tree_of(b"x"))
    assert [path for path in store.directory.glob("**/*") if path.is_file()] == []


def test_what_a_killed_process_left_is_cleared_away(store):
    version = store.save(tree_of(b"x"))
    (path,) = store.directory.glob("*/*")
    left = path.with_suffix(".1234")
    left.write_bytes(b"half")
    assert list(store.versions()) == [version]
    assert list(TreeStore(store.directory).versions()) == [version]
    assert not left.exists()


def test_a_store_whose_directory_was_deleted_goes_on(store):
    tree = tree_of(b"x")
    shutil.rmtree(store.directory)
    store.save(tree)
    assert store.load(tree.version).length == 1


def resident(path):
    """Bytes of a mapped file that are in this process's memory."""
    lines = Path("/proc/self/smaps").read_text().splitlines()
    at = next(number for number, line in enumerate(lines) if line.endswith(str(path)))
    rss = next(line for line in lines[at:] if line.startswith("Rss:"))
    return int(rss.split()[1]) * 1024


def test_a_tree_takes_the_memory_of_what_is_looked_at(store):
    version = store.save(tree_of(random.Random(9).randbytes(8 * 2**20)))
    (path,) = store.directory.glob("??/*")
    loaded = store.load(version)
    assert resident(path) <= 4096  # all of it was read for its checksum
    total = int(loaded.hashes(0).weak.sum()) + int(loaded.hashes(0).strong.sum())
    assert resident(path) > 300_000
    loaded.rest()
    assert resident(path) == 0
    assert int(loaded.hashes(0).weak.sum()) + int(loaded.hashes(0).strong.sum()) == total
