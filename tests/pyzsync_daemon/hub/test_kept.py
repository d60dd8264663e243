import pytest

from pyzsync_daemon.hub.kept import Kept


@pytest.fixture
def kept():
    """Ten bytes; a key's topic is its first letter."""
    return Kept(10, len, lambda key: key[:1].encode())


def test_the_least_recently_used_goes_first(kept):
    kept.put("a1", b"12345")
    kept.put("b1", b"12345")
    assert kept.get("a1") == b"12345"
    kept.put("c1", b"1")
    assert (kept.get("b1"), kept.get("a1"), kept.get("c1")) == (None, b"12345", b"1")
    assert (len(kept), kept.bytes) == (2, 6)


def test_a_new_value_takes_the_place_of_the_old(kept):
    kept.put("a1", b"12345")
    kept.put("a1", b"123")
    assert (kept.get("a1"), len(kept), kept.bytes) == (b"123", 1, 3)


def test_what_is_larger_than_all_may_be_is_not_kept(kept):
    kept.put("a1", b"1")
    kept.put("a1", bytes(11))
    assert (kept.get("a1"), len(kept), kept.bytes) == (None, 0, 0)


def test_a_topic_is_dropped_as_a_whole(kept):
    for key in ("a1", "a2", "b1"):
        kept.put(key, b"1")
    kept.drop(b"a")
    kept.drop(b"never kept")
    assert (kept.get("a1"), kept.get("a2"), kept.get("b1")) == (None, None, b"1")
    assert (len(kept), kept.bytes) == (1, 1)
    for number in range(20):
        kept.put(f"a{number}", b"123")
    kept.drop(b"a")
    assert len(kept) == kept.bytes == 0
