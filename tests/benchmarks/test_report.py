import pytest

from benchmarks.measure import Result
from benchmarks.report import PULLED, PUSHED, SEARCH, STORED, TREE, WORST, Row, ratio, row, verdicts


def found(rows):
    return {each.figure: (round(each.value, 2), each.holds) for each in verdicts(rows)}


def test_the_work_alone_counts_where_it_is_known():
    facts = {"work_seconds": 1.0, "length": 7, "bytes": 9}
    made = row("p", "A", Result(TREE, 5, 1.5, 2.0, 100, facts), 3)
    assert made == Row("p", "A", TREE, 7, 1.0, 1.5, 2.0, 9, 100, 5)
    peer = row("p", "A", Result("rdiff signature", 5, 1.5, 1.4, 100, {}), 3)
    assert (peer.seconds, peer.length, peer.bytes) == (1.5, 3, 0)


def test_ratios_are_to_ours_of_the_same_pair_and_figure():
    ours = Row("p", "D", PULLED, seconds=2.0, bytes=10)
    rows = [Row("q", "D", PULLED, bytes=1), ours, Row("p", "D", "rsync", seconds=1.0, bytes=40)]
    assert ratio(rows[2], rows) == 4
    assert ratio(ours, rows) == 1
    alone = Row("p", "A", "rdiff signature", seconds=1.0)
    assert ratio(alone, [*rows, alone]) == 0


def test_the_twin_is_not_what_ratios_are_to():
    twin = Row("p", "A", f"{TREE}, numpy", seconds=8.0)
    rows = [twin, Row("p", "A", TREE, seconds=2.0)]
    assert not twin.ours
    assert ratio(twin, rows) == 4


@pytest.mark.parametrize(("length", "holds"), [(130_000_000, True), (1_360_000_000, False)])
def test_time_aims(length, holds):
    rows = [
        Row("p", "A", TREE, length, seconds=1.0),
        Row("p", "A", "rdiff signature", length, seconds=6.0),
        Row("p", "B", SEARCH, length, seconds=1.0),
        Row("p", "B", STORED, length, seconds=0.1),
        Row("p", "B", "rdiff delta", length, seconds=5.0),
        Row("p", "B'", WORST, 256_000_000, seconds=0.5),
    ]
    assert found(rows) == {
        "A": (6.0, True),
        "B": (5.0, holds),
        "B+": (50.0, False),
        "B'": (0.51, False),
    }


def test_byte_aims_go_by_the_best_block_size():
    rows = [
        Row("p", "C", PUSHED, bytes=150),
        Row("p", "C", "zstd -3 --patch-from", bytes=100),
        Row("p", "D", PULLED, bytes=110),
        Row("p", "D", "rsync", bytes=5000),
        Row("p", "D", "rsync -z -B 1024", bytes=200),
        Row("p", "D", "zsync", bytes=1),
    ]
    assert found(rows) == {"C": (1.5, True), "D": (0.55, False)}


def test_the_largest_peak_counts():
    rows = [Row("p", "J", f"ours, {who}", peak_bytes=peak) for who, peak in (("a", 1), ("b", 2e8))]
    assert found(rows) == {"J": (200.0, True)}


def test_small_files_and_edits():
    rows = [Row("s", "I", TREE, seconds=3.0), Row("s", "I", "rsync", seconds=1.0)]
    assert found(rows) == {"I": (3.0, False)}
    rows = [Row("e", "H", "ours, p50", seconds=0.04), Row("e", "H", "ours, p99", seconds=0.16)]
    assert found(rows) == {"H": (160.0, False)}
    assert found([]) == {}
