"""A WebSocket as the hub drives it: what comes is heard as it is read, what goes is shared bytes.

The library's own way hands each frame to a task over a queue, and copies each frame that it sends
behind a header of its own. From and to a thousand clients at a time that is most of the work.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Final, Protocol

from websockets.asyncio.server import ServerConnection
from websockets.frames import Frame, Opcode
from websockets.http11 import Request, Response
from websockets.protocol import State

_DATA: Final = (Opcode.BINARY, Opcode.TEXT, Opcode.CONT)
_EARLY: Final = 8  # frames before anybody listens; an honest client sends its Hello, and waits
_UNSENT: Final = 1 << 18  # bytes from which on a client that pings is not read before it reads


class Listener(Protocol):
    """Whoever serves the client. Both are called by the event loop and must not raise."""

    def heard(self, frame: bytes | str) -> None:
        """A frame has come; text if it is text."""

    def lost(self) -> None:
        """The connection is no more; called once."""


class Socket(ServerConnection):
    """A client's connection. Nothing of it is to be read with ``recv``, nor sent with ``send``."""

    _listener: Listener | None = None
    _early: tuple[bytes | str, ...] = ()
    _partial: bytes = b""
    _text = False
    _held = False

    def listen(self, listener: Listener) -> None:
        """From now on tell ``listener``; what has come before, first."""
        self._listener = listener
        early, self._early = self._early, ()
        for frame in early:
            listener.heard(frame)
        if self.state is State.CLOSED:
            self._lose()
        elif early:
            self.transport.resume_reading()

    @property
    def unsent(self) -> int:
        """Bytes that the system has not taken yet."""
        return self.transport.get_write_buffer_size()

    def put(self, frames: Iterable[bytes]) -> None:
        """Write frames at once, whatever is unsent; none if the connection ends.

        The very same bytes may be put into any number of sockets: they are not copied before the
        system takes them (on uvloop, and on asyncio from Python 3.12).
        """
        if self.state is State.OPEN and not self.transport.is_closing():
            self.transport.writelines(
                [part for each in frames for part in (_header(len(each)), each)]
            )

    # --- what the library calls ----------------------------------------------------------------

    def process_event(self, event: Frame | Request | Response) -> None:
        """Hand on a frame of data; all else is the library's."""
        if not isinstance(event, Frame) or event.opcode not in _DATA:
            super().process_event(event)
            self._hold()
            return
        if event.opcode is not Opcode.CONT:
            self._text = event.opcode is Opcode.TEXT
        data = self._partial + event.data  # no longer than a frame may be: the library counts
        self._partial = b"" if event.fin else data
        if event.fin:
            self._hand_on(data.decode(errors="replace") if self._text else data)

    def connection_lost(self, exc: Exception | None) -> None:
        """The transport has gone."""
        super().connection_lost(exc)
        self._lose()

    def resume_writing(self) -> None:
        """The system has taken what was unsent."""
        super().resume_writing()
        if self._held and not self.transport.is_closing():
            self._held = False
            self.transport.resume_reading()

    def _hold(self) -> None:
        """The library answers each ping at once. Who sends them and reads nothing is not read."""
        if self.unsent > _UNSENT and not self._held and not self.transport.is_closing():
            self._held = True
            self.transport.pause_reading()

    def _lose(self) -> None:
        """Let go of the listener, which knows us: the cycle would keep both for a long time."""
        listener, self._listener = self._listener, None
        self._early, self._partial = (), b""
        if listener is not None:
            listener.lost()

    def _hand_on(self, frame: bytes | str) -> None:
        if self._listener is not None:
            self._listener.heard(frame)
            return
        # It did not wait for the end of the handshake.
        if self.transport.is_closing():
            return
        if len(self._early) == _EARLY:
            self._early = ()
            self.transport.abort()
            return
        if not self._early:
            self.transport.pause_reading()
        self._early += (frame,)


@lru_cache(1024)
def _header(length: int) -> bytes:
    """What goes before a frame of this length: a server masks nothing, so it depends on no more."""
    return Frame(Opcode.BINARY, bytes(length)).serialize(mask=False)[: -length or None]
