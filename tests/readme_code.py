"""The code of the project's own documents, found and run as it is printed."""

import ast
import inspect
from pathlib import Path
from typing import Any

_FENCE = "```"


def blocks(path: Path | str, heading: str) -> list[str]:
    """The ```python blocks under a heading, up to the next heading of its level or above."""
    found: list[str] = []
    level = 0  # of the heading, once it has come
    code: list[str] | None = None  # the lines of the block that is open
    language = ""
    for line in Path(path).read_text(encoding="utf-8").splitlines(keepends=True):
        if line.startswith(_FENCE):
            if code is None:
                code, language = [], line.removeprefix(_FENCE).strip()
            else:
                if level and language == "python":
                    found.append("".join(code))
                code = None
        elif code is not None:
            code.append(line)
        elif line.startswith("#"):
            marks, _, title = line.strip().partition(" ")
            if level and len(marks) <= level:
                break
            if not level and title == heading:
                level = len(marks)
    if not level:
        raise LookupError(f"{path} has no heading {heading!r}")
    return found


async def run(code: list[str], names: dict[str, Any]) -> dict[str, Any]:
    """Run blocks one after the other in one namespace, with await; returns that namespace."""
    for text in code:
        compiled = compile(text, "<document>", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        outcome = eval(compiled, names)
        if inspect.iscoroutine(outcome):
            await outcome
    return names
