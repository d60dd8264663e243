import pytest

from pyzsync_daemon.files.root import Fingerprint
from pyzsync_daemon.hub.rewrites import LONGEST_S, QUIET_S, Rewrites


def fingerprint(size, ino=1):
    return Fingerprint(ino=ino, size=size, mtime_ns=0, ctime_ns=0, mode=0o100644)


@pytest.mark.parametrize(
    ("known", "seen", "age", "waits"),
    [
        (fingerprint(10), fingerprint(0), 0.0, True),  # truncated just now
        (fingerprint(10), fingerprint(9), QUIET_S / 2, True),
        (fingerprint(10), fingerprint(0), QUIET_S, False),  # and nobody has written since
        (fingerprint(10), fingerprint(10), 0.0, False),
        (fingerprint(10), fingerprint(11), 0.0, False),
        (fingerprint(10), fingerprint(0, ino=2), 0.0, False),  # replaced by a rename: whole
        (None, fingerprint(0), 0.0, False),  # new
    ],
)
def test_a_file_that_became_shorter_in_place_waits_for_quiet(known, seen, age, waits):
    assert Rewrites().under_way("f", known, seen, age, now=5.0) is waits


def test_a_file_that_is_never_quiet_is_announced_in_the_end_and_can_wait_again_later():
    rewrites = Rewrites()
    known, seen = fingerprint(10), fingerprint(5)
    assert rewrites.under_way("f", known, seen, 0.0, now=5.0)
    assert rewrites.under_way("f", known, seen, 0.0, now=5.0 + LONGEST_S / 2)
    assert not rewrites.under_way("f", known, seen, 0.0, now=5.0 + LONGEST_S)
    assert rewrites.under_way("f", known, seen, 0.0, now=6.0 + LONGEST_S)
