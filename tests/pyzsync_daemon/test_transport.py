import pytest

from protocol import codec
from protocol.errors import BadMessage
from protocol.limits import MAX_FRAME
from protocol.messages import Ack, Goodbye
from pyzsync_daemon.transport import WEBSOCKET, bearer, decode, encode


def test_messages_go_through_a_frame():
    encoded = encode([Ack(1), Ack(2)])
    assert decode(b"".join(encoded)) == (Ack(1), Ack(2))


def test_what_is_encoded_already_is_not_copied():
    shared = codec.encode(Ack(1))
    assert encode([shared, Goodbye(0)])[0] is shared


def test_text_is_refused():
    with pytest.raises(BadMessage) as caught:
        decode("hello")
    assert caught.value.detail == "frame: is text, and only binary frames are spoken here"


def test_bytes_that_are_no_message_are_refused():
    with pytest.raises(BadMessage):
        decode(b"\xff")


def test_no_larger_frame_is_ever_taken_in_and_none_is_compressed():
    assert WEBSOCKET["max_size"] == MAX_FRAME
    assert WEBSOCKET["compression"] is None


def test_the_header_that_carries_a_token():
    assert bearer("secret") == "Bearer secret"
