"""What one connection has yet to send, packed into frames as they are taken."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from protocol.limits import MAX_FRAME, MAX_MESSAGES


class Outbox:
    """A queue of encoded messages, sent in order; ``limit`` is the bytes at which it is ``full``.

    ``full`` asks the session to answer no more queries until something was sent; ``put`` never
    refuses, so the bound is ``limit`` and one answer. The bytes are shared with the cache and
    with other connections: queueing a message copies nothing.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.bytes = 0
        self._messages: deque[bytes] = deque()

    @property
    def depth(self) -> int:
        """Messages queued."""
        return len(self._messages)

    @property
    def full(self) -> bool:
        """Whether so much is queued that no more should be asked for."""
        return self.bytes >= self.limit

    def put(self, messages: Iterable[bytes]) -> None:
        """Queue encoded messages, each of at most ``MAX_FRAME`` bytes."""
        for message in messages:
            self._messages.append(message)
            self.bytes += len(message)

    def next_frame(self) -> bytes | None:
        """Take the next frame: as many messages as fit in one; None when empty."""
        if not self._messages:
            return None
        packed: list[bytes] = []
        room = MAX_FRAME
        while self._messages and len(self._messages[0]) <= room and len(packed) < MAX_MESSAGES:
            packed.append(self._messages.popleft())
            room -= len(packed[-1])
        self.bytes -= MAX_FRAME - room
        return packed[0] if len(packed) == 1 else b"".join(packed)
