import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO

import pytest

from protocol.messages import Kind
from pyzsync.tree import hash_stream
from pyzsync_daemon.files.root import Fingerprint, Root
from pyzsync_daemon.files.trees import TreeStore
from pyzsync_daemon.hub.hashing import TICK_NS, Unreadable, Unsettled, read_entry, seconds_racy
from pyzsync_daemon.hub.observed import Observed, kind_of

WINDOW = 2 * 1024 * 1024


@pytest.fixture
def root(tmp_path):
    (tmp_path / "root").mkdir()
    with Root(tmp_path / "root") as opened:
        yield opened


@pytest.fixture
def store(tmp_path):
    return TreeStore(tmp_path / "trees")


def observe(root, path, **more):
    status = root.lstat(path)
    return Observed(path, kind_of(status), Fingerprint.of(status), **more)


def later():
    return time.time_ns() + 10 * TICK_NS


@pytest.mark.parametrize("size", [0, 1, 513, WINDOW, WINDOW + 1])
def test_a_file_is_read_once_and_its_tree_kept(root, store, size):
    data = os.urandom(size)
    (root.path / "f").write_bytes(data)
    steps = []
    record = read_entry(root, observe(root, "f"), store, step=lambda: steps.append(1), clock=later)
    assert record.change.version == hash_stream(BytesIO(data).read, size).version
    assert store.load(record.change.version).length == size
    assert (record.change.kind, record.change.size, record.racy) == (Kind.FILE, size, False)
    assert record.fingerprint == Fingerprint.of(root.lstat("f"))
    assert len(steps) == -(-size // WINDOW) + 1  # each window, and the end


@pytest.fixture
def cores():
    with ThreadPoolExecutor(2) as executor:
        yield executor


def test_a_large_file_is_shared_among_the_cores(root, store, cores):
    data = os.urandom(5 * WINDOW + 1)
    (root.path / "f").write_bytes(data)
    # Two windows have to be under way at the same time.
    both, threads = threading.Barrier(2, timeout=60), set()

    def step():
        threads.add(threading.current_thread())
        if threading.current_thread() is not threading.main_thread():
            both.wait()

    record = read_entry(root, observe(root, "f"), store, step=step, cores=cores)
    assert record.change.version == hash_stream(BytesIO(data).read, len(data)).version
    assert len(threads) == 3  # this one looks for the end


def test_a_large_file_that_changes_under_one_core_is_unsettled(root, store, cores):
    path = root.path / "f"
    path.write_bytes(bytes(40 * WINDOW))
    steps = []

    def change():
        steps.append(1)
        path.chmod(0o600)

    assert read_entry(root, observe(root, "f"), store, step=change, cores=cores) == Unsettled("f")
    assert len(steps) <= 10  # what was under way, and not the whole file
    assert list(store.versions()) == []


def test_whoever_stops_gives_up_a_large_file(root, store, cores):
    (root.path / "f").write_bytes(bytes(40 * WINDOW))
    steps = []

    def stop():
        steps.append(1)
        raise KeyError

    with pytest.raises(KeyError):
        read_entry(root, observe(root, "f"), store, step=stop, cores=cores)
    assert len(steps) <= 10


@pytest.mark.parametrize(("age", "racy"), [(0, True), (TICK_NS, True), (TICK_NS + 1, False)])
def test_a_file_changed_within_a_tick_is_racy(root, store, age, racy):
    (root.path / "f").write_bytes(b"x")
    now = root.lstat("f").st_ctime_ns + age
    assert read_entry(root, observe(root, "f"), store, clock=lambda: now).racy is racy


@pytest.mark.parametrize("edit", ["append", "overwrite", "truncate", "chmod", "unlink", "restored"])
def test_a_file_that_changes_while_it_is_read_is_unsettled(root, store, edit):
    path = root.path / "f"
    path.write_bytes(bytes(3 * WINDOW))
    before = path.stat()
    reads = []

    def change():
        reads.append(1)
        if len(reads) != 2:
            return
        if edit == "append":
            with path.open("ab") as file:
                file.write(b"x")
        elif edit in ("overwrite", "restored"):
            with path.open("r+b") as file:
                file.write(b"x")
        elif edit == "truncate":
            os.truncate(path, 10)
        elif edit == "chmod":
            path.chmod(0o600)
        else:
            path.unlink()
        if edit == "restored":
            os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))

    assert read_entry(root, observe(root, "f"), store, step=change) == Unsettled("f")
    assert len(reads) == 2  # it is not read to its end
    assert list(store.versions()) == []


def test_a_file_that_is_gone_or_something_else_is_unsettled(root, store):
    path = root.path / "f"
    path.write_bytes(b"x")
    seen = observe(root, "f")
    path.unlink()
    assert read_entry(root, seen, store) == Unsettled("f")
    os.mkfifo(path)  # opening it must not wait for a writer
    assert read_entry(root, seen, store) == Unsettled("f")
    path.unlink()
    path.symlink_to("/etc/hostname")
    assert read_entry(root, seen, store) == Unsettled("f")


def test_symlinks_and_directories_are_read_as_they_are_now(root, store):
    (root.path / "d").mkdir(0o751)
    (root.path / "l").symlink_to("one")
    link, directory = observe(root, "l"), observe(root, "d")
    (root.path / "l").unlink()
    (root.path / "l").symlink_to("two")
    assert read_entry(root, link, store).change.target == "two"
    assert read_entry(root, directory, store).change.mode == 0o751
    (root.path / "l").unlink()
    (root.path / "l").write_text("a file")
    assert read_entry(root, link, store) == Unsettled("l")
    (root.path / "d").rmdir()
    assert read_entry(root, directory, store) == Unsettled("d")


def test_a_known_version_is_not_hashed(root, store):
    (root.path / "f").write_bytes(b"x")
    version = b"v" * 32
    seen = observe(root, "f", version=version)
    record = read_entry(root, seen, store, step=lambda: pytest.fail("was read"), clock=later)
    assert (record.change.version, record.racy) == (version, False)
    (root.path / "f").chmod(0o600)
    assert read_entry(root, seen, store) == Unsettled("f")


def test_what_the_system_refuses_is_unreadable(root, store):
    (root.path / "f").write_bytes(b"x")

    def refuse():
        raise OSError(5, "Input/output error")

    assert read_entry(root, observe(root, "f"), store, step=refuse) == Unreadable(
        "f", "cannot be read: Input/output error"
    )


def test_how_long_a_fingerprint_stays_racy():
    now = time.time_ns()
    assert seconds_racy(Fingerprint(1, 1, now, now - TICK_NS, 0)) == 0
    assert 0 < seconds_racy(Fingerprint(1, 1, now, now + TICK_NS // 2, 0)) <= TICK_NS / 1e9
    assert seconds_racy(Fingerprint(1, 1, now, now + 10**12, 0)) == TICK_NS / 1e9


def test_a_store_that_fails_is_not_taken_for_the_file(root, store, monkeypatch):
    (root.path / "f").write_bytes(b"x")

    def full(tree):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(store, "save", full)
    with pytest.raises(OSError, match="No space"):
        read_entry(root, observe(root, "f"), store)
