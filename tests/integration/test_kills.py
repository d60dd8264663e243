"""kill -9 between every two named steps of a commit, and at random moments, of client and hub.

Afterwards the trees are equal, every conflict copy is explained by a local edit, every local edit
is kept, and no byte that was verified has been fetched twice.
"""

import itertools
import random
import shutil

import pytest

from tests.integration.bench import IN_FLIGHT, KIB, MIB, Bench, noise, pause
from tests.integration.zygote import ANY
from tests.simulation.disk import kept_aside

STEPS = ["stage", "fsync", "intent", "link", "rename", "dirsync", "record"]
SEEDS = range(5)
KILLS = 42  # with each seed: more than 200 in all


@pytest.fixture
def bench(tmp_path, zygotes):
    made = Bench(tmp_path, zygotes)
    try:
        made.start_hub()
        yield made
        made.stop_hub()
    finally:
        made.clear()


# --- between every two steps ---------------------------------------------------------------------


def create(bench, number):
    bench.put(f"new {number}", noise(number, 5000))


def replace(bench, number):
    bench.put("a", noise(number, 5000))


def replace_big(bench, number):
    bench.put_big("big", noise(number, 3 * MIB))


def delete(bench, number):
    (bench.root / f"d/{number}").unlink()


def file_to_directory(bench, number):
    path = bench.root / f"file {number}"
    path.unlink()
    path.mkdir()
    (path / "in it").write_text(str(number))


def directory_to_file(bench, number):
    path = bench.root / f"directory {number}"
    shutil.rmtree(path)
    path.write_text("a file")


def file_to_symlink(bench, number):
    path = bench.root / f"f{number}"
    path.unlink()
    path.symlink_to("a")


def many(bench, number):
    for each in range(50):
        bench.put(f"d/many {each}", noise((number, each).__repr__(), 300))


def fill(root):
    (root / "d").mkdir()
    (root / "a").write_text("a")
    (root / "big").write_bytes(noise("big", 3 * MIB))
    for number in range(len(STEPS)):
        (root / f"d/{number}").write_text("to be deleted")
        (root / f"file {number}").write_text("to be a directory")
        (root / f"f{number}").write_text("to be a symlink")
        (root / f"directory {number}").mkdir()
        (root / f"directory {number}/in it").write_text("x")


EDITS = [
    create,
    replace,
    replace_big,
    delete,
    file_to_directory,
    directory_to_file,
    file_to_symlink,
    many,
]


@pytest.mark.parametrize("edit", EDITS, ids=lambda edit: edit.__name__)
def test_after_each_step(bench, edit):
    fill(bench.root)
    bench.level()
    for number, step in enumerate(STEPS):
        edit(bench, number)
        bench.start_client(step=step)
        bench.client_dies()
        bench.level()
        bench.check()
    assert bench.kills["client"] == len(STEPS)


@pytest.mark.parametrize("nth", [2, 25, 49])
@pytest.mark.parametrize("step", ["link", "rename"])
def test_in_the_midst_of_a_batch(bench, step, nth):
    fill(bench.root)
    bench.level()
    many(bench, nth)
    bench.start_client(step=step, nth=nth)
    bench.client_dies()
    bench.level()
    bench.check()


# --- between the check and the rename ------------------------------------------------------------


def replaced(bench):
    bench.put("a", b"the hub's new bytes")


def deleted(bench):
    (bench.root / "a").unlink()


@pytest.mark.parametrize("way", ["in place", "rename"])
@pytest.mark.parametrize("edit", [replaced, deleted], ids=lambda edit: edit.__name__)
def test_a_write_between_check_and_rename_is_kept(bench, edit, way):
    (bench.root / "a").write_bytes(b"of the hub bytes, a few")
    (bench.root / "b").write_bytes(b"another")
    bench.level()
    edit(bench)
    written = {"path": str(bench.replica / "a"), "data": "somebody's", "way": way}
    bench.start_client(step="link", race=written)
    bench.await_level()
    kept = b"somebody's bytes, a few" if way == "in place" else b"somebody's"
    assert list(kept_aside(bench.replica).values()) == [kept]
    bench.edits.append(kept)
    bench.level()
    bench.check()


# --- at random moments ---------------------------------------------------------------------------


class Workload:
    """Edits of the root, and now and then of the replica; the same for the same seed."""

    def __init__(self, bench, seed):
        self.random = random.Random(seed)
        self._bench = bench
        self._root = bench.root
        self._numbers = itertools.count()
        for number in range(2):
            bench.put_big(f"big{number}", self.random.randbytes(5 * MIB))
        for number in range(12):
            self._write(f"s{number}")

    def edit(self):
        """One edit of the root."""
        act = self.random.choices(
            [self._big, self._small, self._delete, self._rename, self._turn], [4, 4, 1, 1, 1]
        )
        act[0]()

    def edit_replica(self):
        """A local edit of a file that the hub gave; the client does not run."""
        found = [path for path in self._smalls() if (self._bench.replica / path).is_file()]
        if found:
            self._bench.edit_locally(self.random.choice(found))

    def _smalls(self):
        return sorted(path.name for path in self._root.glob("s*") if path.is_file())

    def _write(self, name):
        data = f"{next(self._numbers)} of {name}\n".encode()
        self._bench.put(name, data + self.random.randbytes(self.random.randrange(40 * KIB)))

    def _big(self):
        name = f"big{self.random.randrange(2)}"
        data = (self._root / name).read_bytes()[: 5 * MIB]
        size = self.random.choice([100, 300 * KIB, 2 * MIB, 5 * MIB])
        at = self.random.randrange(5 * MIB - size + 1)
        self._bench.put_big(name, data[:at] + self.random.randbytes(size) + data[at + size :])

    def _small(self):
        self._write(self._free() if self.random.random() < 0.3 else self._any())

    def _delete(self):
        (self._root / self._any()).unlink()
        self._write(self._free())

    def _rename(self):
        (self._root / self._any()).rename(self._root / self._free())

    def _turn(self):
        """A file becomes a directory with a file in it, or back."""
        path = self._root / "turning"
        if path.is_dir():
            shutil.rmtree(path)
            self._write("turning")
        else:
            path.unlink(missing_ok=True)
            path.mkdir()
            self._write("turning/in it")

    def _any(self):
        return self.random.choice(self._smalls())

    def _free(self):
        return f"s{100 + next(self._numbers)}"


@pytest.mark.parametrize("seed", SEEDS)
def test_at_random_moments(bench, seed):
    workload = Workload(bench, seed)
    draw = workload.random
    while sum(bench.kills.values()) < KILLS:
        workload.edit()
        if draw.random() < 0.15:
            workload.edit_replica()
        by_step = draw.random() < 0.5
        fate = {"step": ANY, "nth": draw.randrange(1, 16)} if by_step else {}
        bench.start_client(**fate)
        pause(draw.expovariate(8))
        workload.edit()
        pause(draw.expovariate(8))
        if draw.random() < 0.2:
            bench.kill_hub()
            bench.start_hub()
        bench.kill_client()
        if sum(bench.kills.values()) % 10 == 0:
            bench.level()
            bench.check()
    bench.level()
    bench.check()
    bench.check_fetched_once()
    assert bench.kills["hub"]
    assert IN_FLIGHT < 5 * MIB  # else a transfer could not be cut between its block sets
