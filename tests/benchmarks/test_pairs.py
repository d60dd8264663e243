import tarfile

import pytest

from benchmarks import pairs


def lay(folder, name, size=1):
    place = folder / name
    place.mkdir()
    for version in ("old", "new"):
        (place / version).write_bytes(bytes(size))
    return place


def test_a_directory_of_pairs_smallest_first(tmp_path):
    large, small = lay(tmp_path, "a", 9), lay(tmp_path, "b")
    (tmp_path / "lonely").mkdir()
    (tmp_path / "lonely/new").write_bytes(b"")
    assert pairs.find([str(tmp_path)]) == [
        pairs.Pair("b", small / "old", small / "new"),
        pairs.Pair("a", large / "old", large / "new"),
    ]


def test_two_files(tmp_path):
    place = lay(tmp_path, "pair")
    (tmp_path / "v2.tar").write_bytes(b"")
    given = [f"{place / 'old'}:{place / 'new'}", f"{place / 'old'}:{tmp_path / 'v2.tar'}"]
    assert [each.name for each in pairs.find(given)] == ["pair", "v2.tar"]


@pytest.mark.parametrize("given", ["nothing", "a:b", ""])
def test_anything_else_is_refused(tmp_path, monkeypatch, given):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match="neither"):
        pairs.find([given])


def test_a_pair_is_made_alike_each_time(tmp_path, monkeypatch):
    monkeypatch.setattr(pairs, "ARCHIVE_BYTES", 400_000)
    made = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        pair = pairs.make(tmp_path / name)
        made.append((pair.old.read_bytes(), pair.new.read_bytes()))
    assert made[0] == made[1]
    assert made[0][0] != made[0][1]
    with tarfile.open(pair.old) as old, tarfile.open(pair.new) as new:
        assert old.getnames() == new.getnames()
