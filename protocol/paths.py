"""The one form that a path may have between peers.

A path is relative to the root and canonical: names joined by single slashes, no ``.`` and no
``..``, no NUL, the first not reserved. On disk and in Python names are ``str`` with
``surrogateescape`` (PEP 383), on the wire they are the bytes that the file system has, so every
name that Linux allows survives. Nothing is folded into shape: what is not canonical is refused,
once, at the door.
"""

from __future__ import annotations

import re
from os import fsdecode, fsencode
from unicodedata import category, normalize

from protocol.errors import BadPath
from protocol.limits import MAX_DEPTH, MAX_NAME, MAX_PATH

RESERVED = ".pyzsync"
"""Both sides keep their own files below this name in the root; no peer may reach it."""

_SHORT = re.compile(r"pyzsyn?~[0-9]+")
"""What FAT and NTFS may call it beside its long name."""

_INVISIBLE = re.compile("[\u115f\u1160\u2065\ufff0-\ufff8\U000e0000-\U000e0fff]")
"""Unicode's Default_Ignorable_Code_Points that are neither marks nor format characters. The other
two Hangul fillers, U+3164 and U+FFA0, decompose to U+1160."""


def check_path(path: str) -> str:
    """The path itself, if it is canonical and not reserved; else BadPath."""
    try:
        wire = fsencode(path)
    except UnicodeEncodeError:
        raise BadPath(path, "has characters that no file name can have") from None
    if not path.isascii() and fsdecode(wire) != path:
        raise BadPath(path, "is a second spelling of another name's bytes")
    _check(path, wire)
    return path


def to_wire(path: str) -> bytes:
    """The bytes of a checked path."""
    return fsencode(path)


def from_wire(wire: bytes) -> str:
    """The path that a peer's bytes name, if it is canonical and not reserved; else BadPath."""
    path = fsdecode(wire)
    _check(path, wire)
    return path


def _check(path: str, wire: bytes) -> None:
    # On bytes, because lengths and slashes are the file system's.
    if not wire:
        raise BadPath(path, "is empty")
    if len(wire) > MAX_PATH:
        raise BadPath(path, f"is longer than {MAX_PATH} bytes")
    if b"\0" in wire:
        raise BadPath(path, "contains a NUL")
    names = wire.split(b"/")
    if len(names) > MAX_DEPTH:
        raise BadPath(path, f"is deeper than {MAX_DEPTH} names")
    if b"" in names:
        raise BadPath(path, "starts or ends with a slash, or has two in a row")
    if b"." in names or b".." in names:
        raise BadPath(path, "contains '.' or '..'")
    if len(wire) > MAX_NAME and len(max(names, key=len)) > MAX_NAME:
        raise BadPath(path, f"has a name longer than {MAX_NAME} bytes")
    if _is_reserved(names[0]):
        raise BadPath(path, f"is below the reserved name {RESERVED!r}")


def _is_reserved(first: bytes) -> bool:
    """Whether any file system could take the name for the reserved one.

    Those that ignore case also ignore marks and invisible characters, each in its own way, and some
    cut dots and spaces off the end, so everything that looks alike is refused.
    """
    letters = fsdecode(first)
    if not first.isascii():
        letters = _INVISIBLE.sub("", normalize("NFKD", letters))
        letters = "".join(c for c in letters if category(c) not in ("Mn", "Cf"))
    letters = letters.casefold().rstrip(". ")
    return letters == RESERVED or _SHORT.fullmatch(letters) is not None
