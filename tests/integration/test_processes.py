"""A hub and two clients, as processes on loopback: what is done to the root, the replicas show."""

import os
import random
import shutil

import pytest

from tests.integration.support import Fleet, until_equal

MIB = 2**20


def noise(seed, size):
    return random.Random(seed).randbytes(size)


class Trio:
    """A hub with a tree, and two clients that follow it."""

    def __init__(self, place):
        self.root = place / "root"
        self.replicas = [place / "one", place / "two"]
        fill(self.root)
        self._aside = place / "new"
        logs = place / "logs"
        logs.mkdir()
        self.fleet = Fleet(logs)
        self.hub = self.fleet.hub(self.root, deletion_share=1)
        self.clients = [
            self.fleet.client(replica, self.hub, deletion_share=1) for replica in self.replicas
        ]
        self.until_equal()

    def until_equal(self):
        until_equal(self.root, *self.replicas)

    def put(self, path, data):
        """Put a file in place whole, so that there is no version in between."""
        self._aside.write_bytes(data)
        self._aside.rename(self.root / path)

    def costs(self, path, size):
        """Wait until both clients have a path with a size: the lines that say at what cost."""
        lines = [client.until("applied", path=path, size=size) for client in self.clients]
        self.until_equal()
        return lines


def fill(root):
    (root / "docs/deep/er").mkdir(parents=True)
    (root / "empty").mkdir()
    (root / "docs/a.txt").write_text("a\n")
    (root / "docs/deep/er/b").write_bytes(b"")
    (root / "tool").write_bytes(noise("tool", 5000))
    (root / "tool").chmod(0o755)
    (root / "big").write_bytes(noise("big", 6 * MIB))
    (root / "link").symlink_to("docs/a.txt")
    for number in range(40):
        (root / f"docs/{number}.rst").write_bytes(noise(number, 700 * number))


@pytest.fixture(scope="module")
def trio(tmp_path_factory):
    made = Trio(tmp_path_factory.mktemp("trio"))
    try:
        yield made
        made.fleet.stop()
    finally:
        made.fleet.clear()


def test_an_insert_into_a_big_file_fetches_only_what_is_new(trio):
    data = noise("inserted", 5 * MIB)
    trio.put("inserted", data)
    trio.costs("inserted", 5 * MIB)
    trio.put("inserted", data[: 2 * MIB + 77] + b"something new" + data[2 * MIB + 77 :])
    for line in trio.costs("inserted", 5 * MIB + 13):
        assert line["fetched"] <= 2048
        assert line["fetched"] + line["reused"] == 5 * MIB + 13


def test_a_change_in_place_an_append_and_a_shorter_file(trio):
    path, data = trio.root / "log", noise("log", 3 * MIB)
    trio.put("log", data)
    trio.costs("log", 3 * MIB)
    with path.open("ab") as file:
        file.write(noise("more", 1000))
    for line in trio.costs("log", 3 * MIB + 1000):
        assert line["fetched"] <= 2048
    with path.open("r+b") as file:
        file.write(b"changed")
    trio.until_equal()
    os.truncate(path, MIB + 1)
    trio.costs("log", MIB + 1)
    lines = [client.events("applied", path="log")[2:] for client in trio.clients]
    assert all(sum(line["fetched"] for line in each) <= 2048 for each in lines)


def test_a_renamed_file_is_not_fetched_again(trio):
    trio.put("before", noise("renamed", 2 * MIB))
    trio.costs("before", 2 * MIB)
    (trio.root / "before").rename(trio.root / "docs/after")
    for line in trio.costs("docs/after", 2 * MIB):
        assert (line["fetched"], line["reused"]) == (0, 2 * MIB)


def test_a_renamed_directory_is_not_fetched_again(trio):
    folder = trio.root / "old name/sub"
    folder.mkdir(parents=True)
    for number in range(20):
        (folder / str(number)).write_bytes(noise(f"moved {number}", 10_000 + number))
    trio.until_equal()
    (trio.root / "old name").rename(trio.root / "new name")
    for number in range(20):
        for line in trio.costs(f"new name/sub/{number}", 10_000 + number):
            assert line["fetched"] == 0


def test_deletions(trio):
    shutil.copytree(trio.root / "docs", trio.root / "copy", symlinks=True)
    trio.until_equal()
    (trio.root / "copy/1.rst").unlink()
    trio.until_equal()
    shutil.rmtree(trio.root / "copy")
    trio.until_equal()


def test_every_kind_becomes_every_other(trio):
    path = trio.root / "changeling"

    def file():
        path.write_bytes(noise("changeling", 3000))

    def folder():
        path.mkdir()
        (path / "in it").write_text("x")

    def link():
        path.symlink_to("nowhere")

    kinds = [file, folder, link, file, link, folder, file]
    for make in kinds:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
        make()
        trio.until_equal()


def test_symlinks_are_links_and_never_followed(trio, tmp_path):
    (tmp_path / "outside").write_text("not yours")
    (trio.root / "out").symlink_to(tmp_path / "outside")
    (trio.root / "loop").symlink_to("loop")
    (trio.root / "away").symlink_to(tmp_path)
    trio.until_equal()
    (trio.root / "away").unlink()
    (trio.root / "away").symlink_to("elsewhere")
    trio.until_equal()


def test_empty_files_and_directories(trio):
    (trio.root / "nothing").touch()
    (trio.root / "void/void/void").mkdir(parents=True)
    trio.until_equal()
    (trio.root / "void/void/void").rmdir()
    trio.until_equal()


def test_modes_and_times_cost_no_bytes(trio):
    path = trio.root / "dressed"
    trio.put("dressed", noise("dressed", 100_000))
    trio.costs("dressed", 100_000)
    path.chmod(0o400)
    trio.until_equal()
    path.chmod(0o751)
    os.utime(path, ns=(10**18, 10**18 + 123_456_789))
    trio.until_equal()
    folder = trio.root / "closed"
    folder.mkdir()
    (folder / "in").write_text("in")
    folder.chmod(0o555)
    os.utime(folder, ns=(10**18, 10**18))
    trio.until_equal()
    lines = [client.events("applied", path="dressed")[1:] for client in trio.clients]
    assert all(line["fetched"] == 0 for each in lines for line in each)


def test_holes_stay_holes(trio):
    path = trio.root / "sparse"
    with path.open("wb") as file:
        file.seek(10 * MIB)
        file.write(noise("sparse", 9000))
        file.truncate(48 * MIB)
    trio.costs("sparse", 48 * MIB)
    blocks = [(replica / "sparse").stat().st_blocks for replica in (trio.root, *trio.replicas)]
    assert all(512 * count < MIB for count in blocks)


def test_a_file_replaced_by_a_rename(trio):
    path, new = trio.root / "tool", trio.root / "tool.new"
    new.write_bytes(path.read_bytes() + b"release 2")
    new.rename(path)
    trio.until_equal()


def test_names_that_are_not_text(trio):
    name = os.fsencode(trio.root) + b"/caf\xe9 \xff\n"
    with open(name, "wb") as file:
        file.write(b"latin-1")
    trio.until_equal()


def test_many_small_files_at_once(trio):
    folder = trio.root / "many"
    folder.mkdir()
    for number in range(500):
        (folder / f"{number:03}").write_bytes(noise(number, number))
    trio.until_equal()
    shutil.rmtree(folder)
    trio.until_equal()


def test_a_file_that_is_written_all_the_time_arrives_when_it_is_done(trio):
    path = trio.root / "growing"
    with path.open("wb") as file:
        for number in range(200):
            file.write(noise(number, 20_000))
            file.flush()
    trio.until_equal()


def test_what_is_only_here_stays_and_a_local_edit_is_kept_aside(trio):
    """Last, since the replicas differ from the root afterwards."""
    mine = trio.replicas[0] / "docs/mine"
    mine.write_text("never published")
    edited = trio.replicas[0] / "docs/a.txt"
    edited.write_text("edited here\n")
    (trio.root / "docs/a.txt").write_text("edited there\n")
    line = trio.clients[0].until("applied", count=2, path="docs/a.txt")
    assert (trio.replicas[0] / line["conflict"]).read_text() == "edited here\n"
    assert edited.read_text() == "edited there\n"
    assert mine.read_text() == "never published"
    mine.unlink()
    folder = trio.root / "docs"
    os.utime(trio.replicas[0] / "docs", ns=(10**18, folder.stat().st_mtime_ns))
    trio.until_equal()


def test_standard_output_has_one_line(trio):
    assert trio.hub.out() == f"listening on {trio.hub.url()}\n"
    assert [client.out() for client in trio.clients] == ["", ""]
