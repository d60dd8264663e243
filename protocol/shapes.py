"""The table of messages: number on the wire, fields in order, and rules between fields.

On the wire a message is an array: its number, then its fields. A query inside a message is the
same with numbers of its own; positions and changes need no number, as their place says what they
are. Lengths are exact: a field is added by a new message or a new protocol version, never by a
longer array. The tables in SPEC.md are compared with this one by a test.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from protocol import fields, limits, rules
from protocol.errors import BadMessage, Code
from protocol.fields import Reader, Wrong, choice, data, many, number, octets, optional, run_set
from protocol.limits import MAX_PAYLOAD, MAX_RETRY_AFTER, MAX_SIZE, WINDOW, WINDOW_NODES
from protocol.messages import (
    Ack,
    Announce,
    BlockQuery,
    Blocks,
    Change,
    Coding,
    Delta,
    DeltaQuery,
    Failed,
    Flag,
    Get,
    Goodbye,
    Hashlist,
    HashQuery,
    Hello,
    Kind,
    Position,
    Published,
    PublishedQuery,
    Welcome,
)
from protocol.paths import to_wire


class Shape:
    """One kind of value on the wire: ``read`` checks and builds it, ``row`` takes it apart."""

    def __init__(
        self,
        make: type[Any],
        number: int | None,
        readers: dict[str, Reader],
        *,
        writers: dict[str, Callable[[Any], object]] | None = None,
        rule: Callable[[Any], None] = lambda _: None,
    ) -> None:
        self.make = make
        self.number = number
        self.names = tuple(readers)
        self._readers = tuple(readers.values())
        self._writers = {self.names.index(name): write for name, write in (writers or {}).items()}
        self._rule = rule

    def read(self, row: object) -> object:
        """The value of an array of fields (its number already taken off)."""
        where = self.make.__name__
        if type(row) is not list or len(row) != len(self._readers):
            raise BadMessage(where, f"is not an array of its {len(self._readers)} fields")
        values: list[object] = []
        try:
            for reader, item in zip(self._readers, row, strict=True):
                values.append(reader(item))
        except Wrong as wrong:
            raise BadMessage(f"{where}.{self.names[len(values)]}", str(wrong)) from None
        made = self.make(*values)
        try:
            self._rule(made)
        except Wrong as wrong:
            raise BadMessage(where, str(wrong)) from None
        return made

    def row(self, value: object) -> list[object]:
        """The array that carries a value; dataclasses inside it are left to the caller."""
        row: list[object] = [getattr(value, name) for name in self.names]
        for index, write in self._writers.items():
            row[index] = write(row[index])
        if self.number is not None:
            row.insert(0, self.number)
        return row


def tagged(shapes: tuple[Shape, ...], what: str) -> Reader:
    """Reads an array that begins with the number of one of ``shapes``."""
    known = {shape.number: shape for shape in shapes}

    def read(value: object) -> object:
        if type(value) is not list or not value:
            raise BadMessage(what, "is not an array that begins with its number")
        shape = known.get(value[0]) if type(value[0]) is int else None
        if shape is None:
            raise BadMessage(what, "has a number that this protocol does not have")
        return shape.read(value[1:])

    return read


# --- the table -----------------------------------------------------------------------------------

_VERSION = octets(32)
_VERSION_OR_NONE = octets(32, empty=True)
_SEQ = number(0, 2**63 - 1)
_WINDOW = number(0, limits.MAX_WINDOW)
_CODING = choice(Coding)
_RETRY_AFTER = number(0, MAX_RETRY_AFTER)
_FEATURES = many(fields.word, 0, limits.MAX_FEATURES)
_PROTOCOL = number(1, limits.MAX_PROTOCOL)

POSITION = Shape(Position, None, {"epoch": octets(16), "seq": _SEQ, "head": _VERSION})

CHANGE = Shape(
    Change,
    None,
    {
        "seq": number(1, 2**63 - 1),
        "path": fields.path,
        "kind": choice(Kind),
        "mode": fields.mode,
        "mtime_ns": number(-(2**63), 2**63 - 1),
        "size": number(0, MAX_SIZE),
        "version": _VERSION_OR_NONE,
        "target": fields.target,
        "follows": _VERSION_OR_NONE,
        "flags": fields.flags(Flag),
    },
    writers={"path": to_wire, "target": to_wire},
    rule=rules.change,
)

QUERIES = (
    Shape(
        HashQuery,
        1,
        {
            "version": _VERSION,
            "level": number(0, limits.MAX_LEVEL),
            "window": _WINDOW,
            "nodes": run_set(empty=True),
            "since": _VERSION_OR_NONE,
        },
        rule=rules.hash_query,
    ),
    Shape(BlockQuery, 2, {"version": _VERSION, "window": _WINDOW, "leaves": run_set(empty=False)}),
    Shape(
        DeltaQuery,
        3,
        {"old": _VERSION, "new": _VERSION, "first": number(0, limits.MAX_DELTA_PARTS - 1)},
        rule=rules.delta_query,
    ),
    Shape(
        PublishedQuery,
        4,
        {"path": fields.path, "version": _VERSION},
        writers={"path": to_wire},
    ),
)
_HASH_QUERY, _BLOCK_QUERY, _DELTA_QUERY, _PUBLISHED_QUERY = (
    tagged((shape,), shape.make.__name__) for shape in QUERIES
)
_QUERY = tagged(QUERIES, "query")

MESSAGES = (
    Shape(
        Hello,
        1,
        {
            "protocols": many(_PROTOCOL, 1, limits.MAX_PROTOCOLS),
            "features": _FEATURES,
            "agent": fields.text,
            "hub": _VERSION_OR_NONE,
            "position": optional(POSITION.read),
        },
        writers={"agent": fields.to_text},
    ),
    Shape(
        Welcome,
        2,
        {
            "protocol": _PROTOCOL,
            "features": _FEATURES,
            "agent": fields.text,
            "hub": _VERSION,
            "view": data(limits.MAX_VIEW),
            "resumed": fields.boolean,
            "requests": number(1, limits.MAX_REQUESTS),
        },
        writers={"agent": fields.to_text},
    ),
    Shape(
        Announce,
        3,
        {
            "changes": many(CHANGE.read, 0, limits.MAX_CHANGES),
            "position": optional(POSITION.read),
            "snapshot": fields.boolean,
        },
        rule=rules.announce,
    ),
    Shape(Get, 4, {"queries": many(_QUERY, 1, limits.MAX_QUERIES)}, rule=rules.get),
    Shape(
        Hashlist,
        5,
        {
            "query": _HASH_QUERY,
            "width": number(limits.MIN_WIDTH, limits.MAX_WIDTH),
            "weak": data(4 * WINDOW_NODES),
            "strong": data(limits.MAX_WIDTH * WINDOW_NODES),
        },
        rule=rules.hashlist,
    ),
    Shape(
        Blocks,
        6,
        {
            "query": _BLOCK_QUERY,
            "part": number(0, limits.MAX_BLOCK_PARTS - 1),
            "parts": number(1, limits.MAX_BLOCK_PARTS),
            "coding": _CODING,
            "size": number(0, WINDOW),
            "gone": run_set(empty=True),
            "data": data(MAX_PAYLOAD),
        },
        rule=rules.blocks,
    ),
    Shape(
        Delta,
        7,
        {
            "query": _DELTA_QUERY,
            "part": number(0, limits.MAX_DELTA_PARTS - 1),
            "parts": number(1, limits.MAX_DELTA_PARTS),
            "coding": _CODING,
            "size": number(1, limits.MAX_DELTA),
            "data": data(MAX_PAYLOAD),
        },
        rule=rules.part,
    ),
    Shape(Published, 8, {"query": _PUBLISHED_QUERY, "known": fields.boolean}),
    Shape(
        Failed,
        9,
        {"query": _QUERY, "code": choice(Code), "retry_after_ms": _RETRY_AFTER},
        rule=rules.failed,
    ),
    Shape(Ack, 10, {"seq": _SEQ}),
    Shape(
        Goodbye,
        11,
        {"code": choice(Code), "detail": fields.text, "retry_after_ms": _RETRY_AFTER},
        writers={"detail": fields.to_text},
    ),
)

MESSAGE = tagged(MESSAGES, "message")
"""Reads any message."""

SHAPES = {shape.make: shape for shape in (POSITION, CHANGE, *QUERIES, *MESSAGES)}
"""The shape of each class."""
