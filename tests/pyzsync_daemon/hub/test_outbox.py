from protocol.limits import MAX_FRAME, MAX_MESSAGES
from pyzsync_daemon.hub.outbox import Outbox


def drain(outbox):
    frames = []
    while (frame := outbox.next_frame()) is not None:
        frames.append(frame)
    return frames


def test_small_messages_share_a_frame_in_order():
    outbox = Outbox(1000)
    outbox.put((b"one", b"two"))
    outbox.put((b"three",))
    assert (outbox.depth, outbox.bytes) == (3, 11)
    assert drain(outbox) == [b"onetwothree"]
    assert (outbox.depth, outbox.bytes) == (0, 0)


def test_no_frame_is_larger_than_the_limit():
    outbox = Outbox(1000)
    sizes = [1, MAX_FRAME, 1, MAX_FRAME - 1, MAX_FRAME - 1, 2, 3]
    messages = tuple(bytes([i]) * size for i, size in enumerate(sizes))
    outbox.put(messages)
    frames = drain(outbox)
    assert [len(frame) for frame in frames] == [1, MAX_FRAME, MAX_FRAME, MAX_FRAME - 1, 5]
    assert b"".join(frames) == b"".join(messages)


def test_no_frame_has_more_messages_than_a_client_accepts():
    outbox = Outbox(1000)
    outbox.put([b"x"] * (MAX_MESSAGES + 1))
    assert [len(frame) for frame in drain(outbox)] == [MAX_MESSAGES, 1]


def test_a_message_alone_in_its_frame_is_not_copied():
    outbox = Outbox(1000)
    message = bytes(MAX_FRAME)
    outbox.put((message,))
    assert outbox.next_frame() is message


def test_full_from_the_limit_on_until_something_is_sent():
    outbox = Outbox(10)
    outbox.put((b"123456789",))
    assert not outbox.full
    outbox.put((b"0",))
    assert outbox.full
    outbox.next_frame()
    assert not outbox.full


def test_empty_has_no_frame():
    outbox = Outbox(10)
    outbox.put(())
    assert outbox.next_frame() is None
    assert not outbox.full
