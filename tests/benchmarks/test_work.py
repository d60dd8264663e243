import random
from concurrent.futures import ThreadPoolExecutor

import pytest

from benchmarks.work import search, stored, tree, worst

OLD = random.Random(1).randbytes(400_000)
NEW = b"inserted" + OLD[:300_000] + random.Random(2).randbytes(2_000)


@pytest.fixture
def files(tmp_path):
    for name, data in (("old", OLD), ("new", NEW)):
        (tmp_path / name).write_bytes(data)
    return str(tmp_path / "old"), str(tmp_path / "new")


@pytest.fixture
def executor():
    with ThreadPoolExecutor(2) as made:
        yield made


def test_the_work_is_done(files, executor):
    assert tree(executor, files[1])["length"] == len(NEW)
    for work in (search, stored):
        assert 2_000 <= work(executor, *files)["missing_bytes"] <= 2_000 + 3 * 512


def test_the_worst_case_finds_nothing(executor):
    assert worst(executor, "1")["missing_bytes"] == 1_000_000
