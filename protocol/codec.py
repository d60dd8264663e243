"""Messages to frames and back: the one module that speaks msgpack.

``encode`` trusts our own values and checks only that a frame can hold them; ``decode_frame`` trusts
nothing: a message that it returns has been checked in full.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, cast

import msgpack  # type: ignore[import-untyped]  # it ships no types

from protocol.errors import BadMessage, TooLarge
from protocol.limits import MAX_ARRAY, MAX_CHANGES, MAX_FRAME, MAX_MESSAGES, MAX_QUERIES
from protocol.messages import Announce, Change, Get, Message, Position, Query
from protocol.shapes import MESSAGE, SHAPES


def encode(message: Message) -> bytes:
    """One message, to be sent alone or joined; TooLarge if no frame can hold it."""
    encoded = _pack(message)
    if len(encoded) > MAX_FRAME:
        raise TooLarge(type(message).__name__, len(encoded), MAX_FRAME)
    return encoded


def decode_frame(frame: bytes) -> tuple[Message, ...]:
    """The messages of a frame, at least one; ProtocolError for any other bytes."""
    if len(frame) > MAX_FRAME:
        raise TooLarge("frame", len(frame), MAX_FRAME)
    return tuple([cast(Message, MESSAGE(value)) for value in _unpack(frame)])


def join(encoded: Iterable[bytes]) -> Iterator[bytes]:
    """Frames that hold the encoded messages, in order, each as many as it can."""
    frame: list[bytes] = []
    size = 0
    for message in encoded:
        size += len(message)
        if frame and (size > MAX_FRAME or len(frame) == MAX_MESSAGES):
            yield b"".join(frame)
            frame, size = [], len(message)
        frame.append(message)
    if frame:
        yield b"".join(frame)


def announce_frames(
    changes: Sequence[Change], position: Position | None, snapshot: bool = False
) -> list[bytes]:
    """Changes as encoded announcements that each fit a frame; ``position`` is in the last.

    Without changes and position there is nothing to announce, and no frame.
    """
    if not changes and position is None:
        return []
    empty = Announce((), position, snapshot)
    groups = list(_groups(changes, empty, MAX_CHANGES)) or [()]
    frames = [encode(Announce(group, None, snapshot)) for group in groups[:-1]]
    return [*frames, encode(Announce(groups[-1], position, snapshot))]


def gets(queries: Sequence[Query]) -> list[Get]:
    """Queries as requests that each fit a frame, however scattered the blocks they name."""
    return [Get(group) for group in _groups(queries, Get(()), MAX_QUERIES)]


def _groups(items: Sequence[Any], empty: Message, most: int) -> Iterator[tuple[Any, ...]]:
    """Items in order, in groups of at most ``most`` that fit a frame inside the empty message."""
    room = MAX_FRAME - len(_pack(empty)) - 2  # an array of more than 15 items says so in 2 bytes
    pack = _packer().pack
    group: list[Any] = []
    size = 0
    for item in items:
        length = len(pack(item))
        size += length
        if group and (size > room or len(group) == most):
            yield tuple(group)
            group, size = [], length
        group.append(item)
    if group:
        yield tuple(group)


def _row(value: object) -> list[object]:
    """What msgpack asks when it meets one of our values, at any depth."""
    return SHAPES[type(value)].row(value)


def _pack(value: object) -> bytes:
    packed: bytes = _packer().pack(value)
    return packed


def _packer() -> msgpack.Packer:
    # One for each use, because a packer belongs to one thread. use_bin_type: bytes and text stay
    # apart. Tuples and members of our enums are packed as the arrays and integers that they are.
    return msgpack.Packer(default=_row, use_bin_type=True)


def _unpack(frame: bytes) -> list[object]:
    # Nothing in a frame can be longer than the frame (max_buffer_size), so text and binary need no
    # bound of their own. No message has a map or an extension type: what is left of either after
    # max_map_len is refused by the reader of its field. raw=False: text is strict UTF-8.
    unpacker = msgpack.Unpacker(
        max_buffer_size=MAX_FRAME,
        max_array_len=MAX_ARRAY,
        max_map_len=0,
        strict_map_key=True,
        raw=False,
        use_list=True,
    )
    values: list[object] = []
    end = 0
    try:
        unpacker.feed(frame)
        while end < len(frame):
            if len(values) == MAX_MESSAGES:
                raise TooLarge("frame of messages", len(values) + 1, MAX_MESSAGES)
            values.append(unpacker.unpack())
            end = unpacker.tell()
    except msgpack.OutOfData:
        raise BadMessage("frame", "ends inside a message") from None
    except (ValueError, msgpack.UnpackException) as error:
        raise BadMessage("frame", f"is not msgpack within bounds ({error!r:.80})") from None
    if not values:
        raise BadMessage("frame", "is empty")
    return values
