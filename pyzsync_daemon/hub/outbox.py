"""What one connection has yet to send, as frames."""

from __future__ import annotations

from collections.abc import Iterable

from protocol.codec import encode, join
from protocol.messages import Message


class Outbox:
    """A queue of frames, sent in order, of ``bytes`` together.

    A frame that was packed for everyone is queued as it is: its bytes are shared with the cache
    and with other connections, and nothing is copied.
    """

    def __init__(self) -> None:
        self.bytes = 0
        self._frames: list[bytes] = []  # some forty at most; an empty deque takes 600 bytes

    def __len__(self) -> int:
        return len(self._frames)

    def say(self, messages: Iterable[Message | bytes]) -> None:
        """Queue what a session says: messages of its own, and whole frames."""
        own: list[bytes] = []
        for message in messages:
            if isinstance(message, bytes):
                self.put(own)
                own = []
                self._add(message)
            else:
                own.append(encode(message))
        self.put(own)

    def put(self, messages: Iterable[bytes]) -> None:
        """Queue encoded messages, as few frames as hold them."""
        for frame in join(messages):
            self._add(frame)

    def clear(self) -> None:
        """Nothing of it will be sent any more."""
        self._frames.clear()
        self.bytes = 0

    def take(self, max_bytes: int) -> list[bytes]:
        """Take the next frames, of ``max_bytes`` together or one of any size; none when empty."""
        taken: list[bytes] = []
        size = 0
        while self._frames and (not taken or size + len(self._frames[0]) <= max_bytes):
            frame = self._frames.pop(0)
            taken.append(frame)
            size += len(frame)
        self.bytes -= size
        return taken

    def _add(self, frame: bytes) -> None:
        self._frames.append(frame)
        self.bytes += len(frame)
