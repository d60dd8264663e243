import random
import sys

import pytest

from pyzsync_daemon.cli import blocksizes
from pyzsync_daemon.cli.blocksizes import BLOCKSIZES, Row, draw, measure, show_blocksizes
from pyzsync_daemon.errors import NoMatplotlib

OLD = random.Random(1).randbytes(3000)
NEW = OLD[:1000] + b"inserted" + OLD[1000:]


@pytest.fixture
def pair(tmp_path):
    def pair(old, new):
        (tmp_path / "old").write_bytes(old)
        (tmp_path / "new").write_bytes(new)
        return tmp_path / "old", tmp_path / "new"

    return pair


def test_the_sizes_are_the_seeds_and_three_smaller_ones():
    assert BLOCKSIZES[:5] == (1, 2, 4, 8, 16)
    assert BLOCKSIZES[-1] == 2**20
    assert len(BLOCKSIZES) == 3 + 18


def test_small_blocks_miss_little_and_large_ones_cost_few_hashes(pair):
    rows = {row.blocksize: row for row in measure(*pair(OLD, NEW))}
    assert list(rows) == list(BLOCKSIZES)
    assert not any(row.skipped for row in rows.values())
    assert rows[8].missing_bytes <= 16
    assert rows[512].missing_bytes == 512
    assert rows[8].hash_bytes == 20 * 376
    assert rows[2**20].missing_bytes == len(NEW)  # the only block is short, and not there
    assert rows[2**20].hash_bytes == 20
    assert rows[512].total_bytes == 512 + 20 * 6


def test_too_many_blocks_are_skipped_and_said_so(pair, monkeypatch, capsys):
    monkeypatch.setattr(blocksizes, "MAX_BLOCKS", 100)
    show_blocksizes(*pair(OLD, NEW), plot=None)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == [
        "blocksize",
        "hashing",
        "matching",
        "hashlist",
        "missing",
        "bytes",
    ]
    assert lines[1].strip() == "1 skipped: only for files of up to 100 B"
    assert [line.split()[0] for line in lines[1:]] == list(map(str, BLOCKSIZES))
    assert sum("skipped" in line for line in lines) == 5
    assert lines[7].split()[-2:] == ["64", "B"] or "64 B" in lines[7]


def test_empty_files(pair):
    assert {row.total_bytes for row in measure(*pair(b"", b""))} == {0}


def test_without_matplotlib_nothing_is_measured(pair, monkeypatch, tmp_path, capsys):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(NoMatplotlib):
        show_blocksizes(*pair(OLD, NEW), plot=tmp_path / "out.png")
    assert capsys.readouterr().out == ""


def test_a_picture(tmp_path):
    rows = [Row(size, 1.0 / size, 2.0 / size, 9000 // size, 10 * size) for size in (1, 8, 512)]
    draw(rows, tmp_path / "out.png")
    assert (tmp_path / "out.png").read_bytes().startswith(b"\x89PNG")
