"""Amounts of bytes, times and foreign text, as people write and read them."""

from __future__ import annotations

import re
from typing import Final

__all__ = ["format_bytes", "format_seconds", "parse_bytes", "printable"]

_FACTORS: Final = {
    "": 1,
    "b": 1,
    "kb": 1000,
    "mb": 1000**2,
    "gb": 1000**3,
    "tb": 1000**4,
    "kib": 1024,
    "mib": 1024**2,
    "gib": 1024**3,
    "tib": 1024**4,
}
_AMOUNT: Final = re.compile(r"(\d+(?:\.\d+)?) ?([a-z]*)", re.ASCII)


def parse_bytes(text: str) -> int:
    """Read ``"64 MiB"``, ``"1.5GB"`` or ``"4096"``; ValueError for anything else."""
    match = _AMOUNT.fullmatch(text.strip().lower())
    if match is None or match[2] not in _FACTORS:
        raise ValueError(f"{text!r} is not an amount of bytes")
    if "." in match[1]:
        return int(float(match[1]) * _FACTORS[match[2]])
    return int(match[1]) * _FACTORS[match[2]]


def format_bytes(count: int) -> str:
    """Three figures at most, decimal units: ``999 B``, ``1.2 kB``, ``123 MB``."""
    if count < 1000:
        return f"{count} B"
    value = float(count)
    for unit in ("kB", "MB", "GB", "TB"):
        value /= 1000
        # 999.5 would print as a fourth figure, so it moves on to the next unit.
        if value < 999.5 or unit == "TB":
            break
    return f"{value:.1f} {unit}" if value < 9.95 else f"{value:.0f} {unit}"


def format_seconds(seconds: float) -> str:
    """Milliseconds below one second, else seconds with one decimal."""
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f} ms"
    return f"{seconds:.1f} s"


def printable(text: str) -> str:
    """``text`` without characters that steer a terminal: a peer chooses its paths and reasons."""
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode() for char in text
    )
