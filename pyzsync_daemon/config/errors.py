"""What is wrong with a configuration: where, which key, what was found, what is allowed.

ConfigError      one or more problems, all found in one pass
  .problems      tuple of Problem
"""

from __future__ import annotations

import json
from dataclasses import dataclass

__all__ = ["ConfigError", "Problem", "show"]

_SHOWN = 60  # characters of a found value that are repeated: enough to find it in the file


def show(value: object) -> str:
    """A value as it would be written in the file, cut to a length that fits a line."""
    try:
        text = json.dumps(value, ensure_ascii=False)
    except TypeError:
        text = str(value)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "..."


@dataclass(frozen=True, slots=True)
class Problem:
    """One sentence: ``SOURCE: [table] key: what; allowed: ...``.

    ``source`` is the file, the environment variable or the option. ``table`` and ``key`` are
    empty when the problem is the file's as a whole.
    """

    source: str
    table: str = ""
    key: str = ""
    what: str = ""
    allowed: str = ""

    def __str__(self) -> str:
        """The sentence."""
        where = f"[{self.table}] {self.key}".strip() if self.table else self.key
        parts = [part for part in (self.source, where, self.what) if part]
        sentence = ": ".join(parts)
        return f"{sentence}; allowed: {self.allowed}" if self.allowed else sentence


class ConfigError(Exception):
    """The configuration cannot be used; ``problems`` says all that is wrong with it."""

    hint = "every key, its default and its reason: config.example.toml"

    def __init__(self, *problems: Problem) -> None:
        super().__init__(*problems)
        self.problems = problems

    def __str__(self) -> str:
        return "\n".join(map(str, self.problems))
