from protocol.codec import encode
from protocol.errors import Code
from protocol.limits import MAX_FRAME, MAX_MESSAGES
from protocol.messages import Ack, Goodbye
from pyzsync_daemon.hub.outbox import Outbox


def drain(outbox):
    frames = []
    while taken := outbox.take(1):
        frames += taken
    return frames


def test_small_messages_share_a_frame_in_order():
    outbox = Outbox()
    outbox.put((b"one", b"two", b"three"))
    assert (len(outbox), outbox.bytes) == (1, 11)
    assert drain(outbox) == [b"onetwothree"]
    assert (len(outbox), outbox.bytes) == (0, 0)


def test_no_frame_is_larger_than_the_limit():
    outbox = Outbox()
    sizes = [1, MAX_FRAME, 1, MAX_FRAME - 1, MAX_FRAME - 1, 2, 3]
    messages = tuple(bytes([i]) * size for i, size in enumerate(sizes))
    outbox.put(messages)
    frames = drain(outbox)
    assert [len(frame) for frame in frames] == [1, MAX_FRAME, MAX_FRAME, MAX_FRAME - 1, 5]
    assert b"".join(frames) == b"".join(messages)


def test_no_frame_has_more_messages_than_a_client_accepts():
    outbox = Outbox()
    outbox.put([b"x"] * (MAX_MESSAGES + 1))
    assert [len(frame) for frame in drain(outbox)] == [MAX_MESSAGES, 1]


def test_frames_for_everyone_are_not_copied_and_keep_their_place():
    outbox = Outbox()
    shared = b"a frame that was packed once"
    first, last = Ack(1), Goodbye(Code.NORMAL)
    outbox.say([first, shared, shared, last])
    frames = drain(outbox)
    assert frames == [encode(first), shared, shared, encode(last)]
    assert frames[1] is frames[2] is shared


def test_empty_has_no_frame():
    outbox = Outbox()
    outbox.put(())
    outbox.say(())
    assert outbox.take(MAX_FRAME) == []
    assert outbox.bytes == 0


def test_frames_are_taken_together_up_to_a_bound():
    outbox = Outbox()
    outbox.say([b"aaaa", b"bbb", b"cc", b"ddddddddddd", b"e"])
    assert outbox.take(8) == [b"aaaa", b"bbb"]
    assert (len(outbox), outbox.bytes) == (3, 14)
    assert outbox.take(8) == [b"cc"]
    assert outbox.take(8) == [b"ddddddddddd"]  # one is taken, however large
    assert outbox.take(8) == [b"e"]
    assert outbox.bytes == 0
