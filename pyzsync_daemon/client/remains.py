"""What interrupted transfers of one path left: which of it the next one should search. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

KEPT_VERSIONS: Final = 2  # the newest: a transfer that was itself searching for one has its bytes
KEPT_EACH: Final = 2  # of each version: a delta and block sets give different bytes


@dataclass(frozen=True, slots=True)
class Remains:
    """A staging file: ``mark`` stands for its version, ``filled`` are the bytes of disk it takes,
    ``written_ns`` is when bytes were last written to it."""

    name: str
    mark: str
    filled: int
    written_ns: int


def worth_keeping(found: Iterable[Remains]) -> list[str]:
    """The names of those worth searching, fullest last.

    Of each version the fullest, since the newest may have been only just begun, and of equally full
    ones the newest; of versions the newest, since one that the hub has replaced may be fuller than the one that will come.
    """
    newest: dict[str, list[Remains]] = {}
    for each in sorted(found, key=lambda each: each.written_ns, reverse=True):
        newest.setdefault(each.mark, []).append(each)
    kept: list[Remains] = []
    for of_version in list(newest.values())[:KEPT_VERSIONS]:
        kept += sorted(of_version, key=_filled)[-KEPT_EACH:]
    return [each.name for each in sorted(kept, key=_filled)]


def _filled(each: Remains) -> tuple[int, int]:
    return each.filled, each.written_ns
