import pytest

from protocol.codec import encode
from protocol.errors import BadMessage, Code
from protocol.messages import Ack, Goodbye
from pyzsync import EMPTY_VERSION
from pyzsync_daemon.loadtest import shared as sharing
from pyzsync_daemon.loadtest.segments import Segments
from pyzsync_daemon.loadtest.shared import FRAMES, Applied, Content, Shared
from tests.pyzsync_daemon.client.values import version


def test_a_base_file_is_mapped_and_known_by_its_version(tmp_path):
    (tmp_path / "f").write_bytes(b"x" * 10_000)
    shared = Shared()
    content = shared.load(tmp_path / "f")
    assert content.bytes.read(0, 20_000) == b"x" * 10_000
    assert content.tree.version == content.version
    (tmp_path / "empty").touch()
    assert shared.load(tmp_path / "empty").version == EMPTY_VERSION


def test_equal_pieces_are_kept_once_and_others_are_not_confused():
    shared = Shared()
    first, equal, other = b"abc", bytes(bytearray(b"abc")), b"abd"
    assert shared.piece(version(1), 0, first) is first
    assert shared.piece(version(1), 0, equal) is first
    assert shared.piece(version(1), 0, other) is other
    assert shared.piece(version(2), 0, equal) is equal


def test_the_pool_is_bounded(monkeypatch):
    monkeypatch.setattr(sharing, "POOL_BYTES", 100)
    shared = Shared()
    pieces = [bytes([n]) * 60 for n in range(3)]
    for number, piece in enumerate(pieces):
        shared.piece(version(1), number, piece)
    again = bytes(bytearray(pieces[0]))
    assert shared.piece(version(1), 0, again) is again  # the first had gone


def test_the_deltas_that_are_kept_are_bounded_too(monkeypatch):
    monkeypatch.setattr(sharing, "POOL_BYTES", 2000)
    shared = Shared()
    old = Content(version(1), Segments.of(b"old"))
    for number in (2, 3, 2, 4):
        new = Content(version(number), Segments.of(b"new"))
        shared.keep_applied(Applied(old, (bytes(200),), new, 200))
    kept = [shared.applied(old, version(number), (bytes(200),)) for number in (2, 3, 4)]
    assert [each is not None for each in kept] == [True, False, True]


def test_a_content_that_no_replica_has_is_forgotten():
    shared = Shared()
    first = shared.keep(version(1), Segments.of(b"abc"))
    segments = first.bytes
    del first
    again = shared.keep(version(1), Segments.of(bytes(bytearray(b"abc"))))
    assert again.bytes is not segments


def test_a_content_is_shared_only_if_its_bytes_are_equal():
    shared = Shared()
    first = shared.keep(version(1), Segments.of(b"abc"))
    assert shared.keep(version(1), Segments.of(bytes(bytearray(b"abc")))) is first
    assert shared.keep(version(1), Segments.of(b"abd")) is not first


@pytest.mark.parametrize(
    ("old", "data", "found"),
    [
        ("same", (b"ab", b"c"), True),
        ("same", (b"ab", b"d"), False),
        ("other", (b"ab", b"c"), False),
    ],
)
def test_a_delta_is_found_for_the_same_old_content_and_equal_bytes(old, data, found):
    shared = Shared()
    contents = {name: Content(version(1), Segments.of(b"old")) for name in ("same", "other")}
    new = Content(version(2), Segments.of(b"new"))
    shared.keep_applied(Applied(contents["same"], (b"ab", b"c"), new, 3))
    known = shared.applied(contents[old], version(2), data)
    assert (known is not None and known.new is new) is found
    assert shared.applied(contents[old], version(3), data) is None
    assert shared.deltas == 1


def test_what_a_frame_says_is_worked_out_once_for_equal_frames():
    shared = Shared()
    frame = encode(Goodbye(Code.NORMAL, "x" * 200))
    first = shared.decode(frame)
    assert shared.decode(bytes(bytearray(frame))) is first
    other = encode(Goodbye(Code.NORMAL, "x" * 199 + "y"))  # equal but for its end
    assert shared.decode(other) == (Goodbye(Code.NORMAL, "x" * 199 + "y"),)
    assert shared.decode(frame) == first


def test_what_frames_said_is_kept_of_the_last_ones_only():
    shared = Shared()
    first = shared.decode(encode(Ack(0)))
    for number in range(1, FRAMES + 1):
        shared.decode(encode(Ack(number)))
    again = shared.decode(encode(Ack(0)))
    assert (again, again is first) == (first, False)


def test_frames_that_say_nothing_are_refused_each_time():
    shared = Shared()
    for frame in (b"\xc1", b"\xc1", "text"):
        with pytest.raises(BadMessage):
            shared.decode(frame)
