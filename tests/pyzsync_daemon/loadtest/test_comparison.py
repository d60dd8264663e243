import pytest

from pyzsync_daemon.loadtest.comparison import Comparison
from pyzsync_daemon.loadtest.segments import Segments


@pytest.fixture
def comparison(tmp_path):
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "f").write_bytes(b"abc")
    (tmp_path / "empty").touch()
    (tmp_path / ".pyzsync").mkdir()
    (tmp_path / ".pyzsync" / "x").touch()
    with Comparison(tmp_path) as comparison:
        yield comparison


def test_equal_trees_are_equal(comparison):
    assert comparison.differs({"d/f": Segments.of(b"abc"), "empty": Segments(0)}) == ""


@pytest.mark.parametrize(
    ("files", "what"),
    [
        ({"d/f": b"abc"}, "empty: it is in one tree only"),
        ({"d/f": b"abc", "empty": b"", "more": b""}, "more: it is in one tree only"),
        ({"d/f": b"abd", "empty": b""}, "d/f: the bytes at 2"),
        ({"d/f": b"abc", "empty": b"x"}, "empty: the bytes at 0"),
    ],
)
def test_the_first_difference_is_told(comparison, files, what):
    assert comparison.differs({path: Segments.of(data) for path, data in files.items()}) == what


def test_a_content_that_is_shared_is_compared_once(comparison, monkeypatch):
    looked = []
    original = Segments.first_difference
    monkeypatch.setattr(
        Segments, "first_difference", lambda self, data: looked.append(self) or original(self, data)
    )
    shared, own = Segments.of(b"abc"), Segments.of(b"abd")
    empty = Segments(0)
    told = [
        comparison.differs({"d/f": each, "empty": empty}) for each in (shared, shared, own, own)
    ]
    assert told == ["", "", *["d/f: the bytes at 2"] * 2]
    assert looked == [shared, empty, own]
