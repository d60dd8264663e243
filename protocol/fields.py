"""Readers of single values: what a field may hold, checked exactly.

A reader takes what msgpack made of a peer's bytes and returns the field's value, or raises
``Wrong`` with the reason; ``protocol.shapes`` says in which field. Types are compared exactly: a
bool is not a number here, and a str is not bytes.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from enum import IntEnum, IntFlag
from os import fsdecode

from protocol import paths, runs
from protocol.errors import BadMessage
from protocol.limits import MAX_FEATURE, MAX_MODE, MAX_TARGET, MAX_TEXT

_WORD = re.compile(r"[a-z0-9-]+")

Reader = Callable[[object], object]


class Wrong(ValueError):
    """Why a value does not fit its field. Never leaves this package."""


def number(low: int, high: int) -> Reader:
    """Reads a whole number from ``low`` to ``high``."""

    def read(value: object) -> int:
        if type(value) is int and low <= value <= high:
            return value
        raise Wrong(f"{_shown(value)} is not a whole number from {low} to {high}")

    return read


def boolean(value: object) -> bool:
    """Reads true or false."""
    if type(value) is bool:
        return value
    raise Wrong(f"{_shown(value)} is not true or false")


def choice(members: type[IntEnum]) -> Reader:
    """Reads the number of a member of a closed set."""
    known = {member.value: member for member in members}

    def read(value: object) -> IntEnum:
        if type(value) is int and value in known:
            return known[value]
        raise Wrong(f"{_shown(value)} is not a known {members.__name__}")

    return read


def flags(members: type[IntFlag]) -> Reader:
    """Reads a set of known flags."""
    # Every combination of the known bits, which are given out from the lowest, without holes.
    known = [members(bits) for bits in range(sum(members) + 1)]

    def read(value: object) -> IntFlag:
        if type(value) is int and 0 <= value < len(known):
            return known[value]
        raise Wrong(f"{_shown(value)} is not a set of known {members.__name__}s")

    return read


def octets(length: int, *, empty: bool = False) -> Reader:
    """Reads exactly ``length`` bytes (or none, where ``empty`` says that something is absent)."""

    def read(value: object) -> bytes:
        if type(value) is bytes and (len(value) == length or (empty and not value)):
            return value
        raise Wrong(f"{_shown(value)} is not {length} bytes{' or none' if empty else ''}")

    return read


def data(limit: int) -> Reader:
    """Reads at most ``limit`` bytes."""

    def read(value: object) -> bytes:
        if type(value) is bytes and len(value) <= limit:
            return value
        raise Wrong(f"{_shown(value)} is not at most {limit} bytes")

    return read


def many(item: Reader, low: int, high: int) -> Reader:
    """Reads an array of ``low`` to ``high`` items into a tuple."""

    def read(value: object) -> tuple[object, ...]:
        if type(value) is list and low <= len(value) <= high:
            return tuple([item(each) for each in value])
        raise Wrong(f"{_shown(value)} is not an array of {low} to {high} items")

    return read


def optional(item: Reader) -> Reader:
    """Reads nil, or else what ``item`` reads."""

    def read(value: object) -> object:
        return None if value is None else item(value)

    return read


def run_set(*, empty: bool) -> Reader:
    """Reads a canonical run set of a window; it stays coded, as part of a cache key."""

    def read(value: object) -> bytes:
        if type(value) is not bytes or (not value and not empty):
            raise Wrong(
                f"{_shown(value)} is not a run set{'' if empty else ' of at least one run'}"
            )
        try:
            runs.count(value)
        except BadMessage as error:
            raise Wrong(error.why) from None
        return value

    return read


def word(value: object) -> str:
    """Reads the name of a feature."""
    if type(value) is str and len(value) <= MAX_FEATURE and _WORD.fullmatch(value):
        return value
    raise Wrong(f"{_shown(value)} is not a word of up to {MAX_FEATURE} of a-z, 0-9 and '-'")


def text(value: object) -> str:
    """Reads a text for people: one line, without anything that a terminal would obey."""
    if type(value) is str and value.isprintable() and len(value.encode()) <= MAX_TEXT:
        return value
    raise Wrong(f"{_shown(value)} is not one printable line of up to {MAX_TEXT} bytes")


def to_text(value: str) -> str:
    """Makes any string fit ``text``: a goodbye must not fail because of what it quotes."""
    if not value.isprintable():
        value = "".join(char if char.isprintable() else "?" for char in value)
    return value.encode()[:MAX_TEXT].decode(errors="ignore")


def path(value: object) -> str:
    """Reads a path; BadPath if it is not canonical."""
    if type(value) is bytes:
        return paths.from_wire(value)
    raise Wrong(f"{_shown(value)} is not bytes")


def target(value: object) -> str:
    """Reads a symlink's target: any bytes that a link can hold, or none."""
    if type(value) is bytes and len(value) <= MAX_TARGET and 0 not in value:
        return fsdecode(value)
    raise Wrong(f"{_shown(value)} is not up to {MAX_TARGET} bytes without NUL")


def mode(value: object) -> int:
    """Reads permission bits; set-id and sticky bits are dropped here, at the door."""
    if type(value) is int and 0 <= value <= MAX_MODE:
        return value & 0o777
    raise Wrong(f"{_shown(value)} is not permission bits up to {MAX_MODE:o}")


def _shown(value: object) -> str:
    """What was found, in few words whatever its size."""
    if isinstance(value, bytes | str | list | dict):
        return f"{type(value).__name__} of {len(value)}"
    return repr(value)[:40]
