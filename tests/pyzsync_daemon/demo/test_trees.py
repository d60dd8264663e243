import pytest

from pyzsync_daemon.demo.trees import differ, measure, walk


@pytest.fixture
def pair(tmp_path):
    for name in ("left", "right"):
        root = tmp_path / name
        (root / "d" / "empty").mkdir(parents=True)
        (root / ".pyzsync").mkdir()
        (root / ".pyzsync" / name).write_bytes(b"not compared")
        (root / "d" / "f").write_bytes(bytes(3_000_000))
        (root / "e").write_bytes(b"x")
        (root / "link").symlink_to("d/f")
    return tmp_path / "left", tmp_path / "right"


def what(left, right, **more):
    found = differ(left, right, **more)
    assert found is not None
    return found.path, found.what


def test_walk_is_in_order_and_follows_no_link(pair):
    left, _ = pair
    assert list(walk(left)) == ["d", "d/empty", "d/f", "e", "link"]
    assert measure(left) == (2, 3_000_001)


def test_equal_trees(pair):
    assert differ(*pair) is None
    assert differ(*pair, suspect="d/f") is None


def test_names(pair):
    left, right = pair
    (right / "d" / "more").write_bytes(b"")
    assert what(left, right) == ("d/more", f"not in {left}")
    assert what(right, left) == ("d/more", f"not in {left}")


def test_bytes_beyond_the_first_piece(pair):
    left, right = pair
    with (right / "d" / "f").open("r+b") as file:
        file.seek(2_500_000)
        file.write(b"!")
    assert what(left, right) == ("d/f", "the bytes at 2500000")


def test_sizes_modes_links_and_kinds(pair):
    left, right = pair
    (right / "e").write_bytes(b"xy")
    assert what(left, right) == ("e", "1 and 2 bytes")
    (right / "e").write_bytes(b"x")
    (left / "e").chmod(0o600)
    (right / "e").chmod(0o644)
    assert what(left, right) == ("e", "mode 600 and 644")
    (left / "e").chmod(0o644)
    (right / "link").unlink()
    (right / "link").symlink_to("e")
    assert what(left, right) == ("link", "the links have different targets")
    (right / "link").unlink()
    (right / "link").mkdir()
    assert what(left, right) == ("link", "one kind of entry here, another there")


def test_the_suspect_is_looked_at_first(pair):
    left, right = pair
    (right / "d" / "f").write_bytes(b"")
    (right / "e").unlink()
    assert what(left, right, suspect="e") == ("e", "it is in one tree only")
    assert what(left, right, suspect="link") == ("e", f"not in {right}")
    assert what(left, right, suspect="gone/from/both") == ("e", f"not in {right}")
