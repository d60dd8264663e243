import io
import json

from rich.console import Console

from benchmarks import plot, table
from benchmarks.report import PULLED, TREE, Row, verdicts

ROWS = [
    Row("a pair", "A", TREE, 1000, seconds=0.5, whole_seconds=0.7, peak_bytes=5_000_000, runs=5),
    Row("a pair", "A", "rdiff signature", 1000, seconds=1.25, whole_seconds=1.25),
    Row("a pair", "D", PULLED, 1000, seconds=1.0, bytes=12_345),
]


def test_the_tables_have_figures_ratios_and_aims():
    out = io.StringIO()
    table.show(ROWS, verdicts(ROWS), Console(file=out, width=150))
    text = out.getvalue()
    line = next(line for line in text.splitlines() if "rdiff signature " in line)
    assert "2.50" in line
    assert "12,345" in text
    assert "6 x as fast as rdiff signature" in text


def test_the_json_has_all_of_it(tmp_path):
    table.write(ROWS, verdicts(ROWS), tmp_path / "bench.json")
    found = json.loads((tmp_path / "bench.json").read_text())
    assert [Row(**each) for each in found["rows"]] == ROWS
    assert found["machine"].keys() == {"cpu", "system", "python"}
    assert [each["figure"] for each in found["aims"]] == ["A"]


def test_figures_that_were_measured_again_replace_the_earlier_ones(tmp_path):
    path = tmp_path / "bench.json"
    assert table.read(path) == []
    table.write(ROWS, [], path)
    assert table.read(path) == ROWS
    again = [Row("a pair", "A", TREE, seconds=9.0), Row("b", "A", TREE), Row("a pair", "B", TREE)]
    assert table.renewed(ROWS, again) == [again[0], again[2], ROWS[2], again[1]]
    assert table.renewed([], ROWS) == ROWS


def test_a_picture_is_drawn_if_there_is_something_to_draw(tmp_path):
    assert not plot.draw([], tmp_path / "none.png")
    assert plot.draw(ROWS, tmp_path / "bench.png")
    assert (tmp_path / "bench.png").read_bytes().startswith(b"\x89PNG")
