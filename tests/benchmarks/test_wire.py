import os

import pytest

from benchmarks.wire import Place, peak, same


@pytest.mark.parametrize(
    ("left", "right", "equal"),
    [(b"", b"", True), (b"ab", b"ab", True), (b"ab", b"ac", False), (b"ab", b"abc", False)],
)
def test_same(tmp_path, left, right, equal):
    (tmp_path / "left").write_bytes(left)
    (tmp_path / "right").write_bytes(right)
    assert same(tmp_path / "left", tmp_path / "right") is equal


def test_the_peak_is_not_forgotten():
    size = 64 << 20
    held = bytearray(b"x") * size
    assert peak(os.getpid()) >= size
    del held  # the system counts in batches of pages, so the peak is not exact
    assert peak(os.getpid()) >= size


def test_each_way_begins_anew(tmp_path):
    for name in ("old", "new"):
        (tmp_path / name).write_bytes(name.encode())
    place = Place(tmp_path, tmp_path / "old", tmp_path / "new")
    place.lay(place.new, place.old)
    (place.replica / ".pyzsync").mkdir()
    place.lay(place.old, place.old)
    assert [path.name for path in place.replica.iterdir()] == ["release.tar"]
    before = (place.hub / "release.tar").stat().st_ino
    place.publish(place.new)
    assert (place.hub / "release.tar").read_bytes() == b"new"
    assert (place.hub / "release.tar").stat().st_ino != before
