"""How frames travel: the WebSocket settings that hub and client share, each with its reason."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from protocol import codec
from protocol.errors import BadMessage
from protocol.limits import MAX_FRAME
from protocol.messages import Message

WEBSOCKET: Final[dict[str, Any]] = {
    "compression": None,  # permessage-deflate costs 50 KiB a connection; payloads are compressed
    "max_size": MAX_FRAME,  # refused before it is allocated
    "max_queue": 16,  # frames read ahead of the session: 1 MiB at the most
    "write_limit": 2 * MAX_FRAME,  # send() waits beyond it: this is where back-pressure begins
    "ping_interval": 20,  # seconds; finds connections that died without a word
    "ping_timeout": 20,
    "close_timeout": 2,  # a peer that does not answer a close is not waited for longer
}

AGENT: Final = "pyzsync-daemon"


def decode(data: bytes | str) -> tuple[Message, ...]:
    """The messages of a frame as received. Raises ``ProtocolError``."""
    if isinstance(data, str):
        raise BadMessage("frame", "is text, and only binary frames are spoken here")
    return codec.decode_frame(data)


def encode(messages: Iterable[Message | bytes]) -> list[bytes]:
    """Messages as bytes; those that are bytes were encoded before, for everyone."""
    return [m if isinstance(m, bytes) else codec.encode(m) for m in messages]


def bearer(token: str) -> str:
    """The value of the Authorization header that carries a token."""
    return f"Bearer {token}"
