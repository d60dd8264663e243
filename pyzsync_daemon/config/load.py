"""Read a configuration: command line over environment over file over defaults.

Each value remembers where it was written, so that an error names the file, the variable or the
option. The environment's names are ``PYZSYNC_<TABLE>__<KEY>``, like ``PYZSYNC_HUB__LISTEN``.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, cast

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from pyzsync_daemon.config.errors import ConfigError, Problem, show
from pyzsync_daemon.config.settings import (
    OUTSIDE,
    ClientSettings,
    Config,
    HubSettings,
    LogSettings,
)
from pyzsync_daemon.config.values import Allowed

__all__ = ["ENV_PREFIX", "load"]

ENV_PREFIX: Final = "PYZSYNC_"
TABLES: Final[Mapping[str, type[BaseModel]]] = {
    "hub": HubSettings,
    "client": ClientSettings,
    "log": LogSettings,
}


@dataclass(frozen=True, slots=True)
class _Written:
    """A value and where it was written."""

    source: str
    value: object


_Values = dict[tuple[str, str], _Written]  # by (table, key)


def load(
    file: Path | None = None,
    environ: Mapping[str, str] | None = None,
    options: Mapping[tuple[str, str], object] | None = None,
    role: str = "",
) -> Config:
    """Merge the sources and check every table; ConfigError names all that is wrong.

    ``options`` are the command line's values by (table, key); None stands for "not given".
    A relative path starts at the directory of the file that holds it, else at the working
    directory. ``role`` is the table of the daemon that is to run: its root is then known, and
    neither the file nor its secrets may be in it.
    """
    values: _Values = {}
    if file is not None:
        values.update(_from_file(file))
    values.update(_from_environment(environ or {}))
    for (table, key), value in (options or {}).items():
        if value is not None:
            values[table, key] = _Written("command line", value)
    if role:
        values.setdefault((role, "root"), _Written("working directory", "."))
    tables: dict[str, BaseModel] = {}
    problems: list[Problem] = []
    for name, model in TABLES.items():
        given = {key: written for (table, key), written in values.items() if table == name}
        try:
            tables[name] = model.model_validate({key: item.value for key, item in given.items()})
        except ValidationError as error:
            problems += [_problem(name, model, detail, given) for detail in error.errors()]
    runs = tables.get(role)
    if file is not None and isinstance(runs, HubSettings | ClientSettings) and runs.shares(file):
        # It may hold a token, and a client's hub could replace it.
        what = f"this file is inside the root {runs.root.resolve()}"
        problems.append(Problem(str(file), role, "root", what, OUTSIDE))
    if problems:
        raise ConfigError(*problems)
    return Config.model_validate(tables)


def _allowed(model: type[BaseModel], key: str) -> Allowed | None:
    field = model.model_fields.get(key)
    if field is None:
        return None
    return next(item for item in field.metadata if isinstance(item, Allowed))


def _from_file(file: Path) -> _Values:
    source = str(file)
    try:
        document = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(Problem(source, what=f"cannot be read: {error.strerror}")) from error
    except UnicodeDecodeError as error:
        raise ConfigError(Problem(source, what="is not UTF-8 text")) from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(Problem(source, what=f"is not TOML: {error}")) from error
    return dict(_entries(document, source, file.absolute().parent))


def _entries(
    document: Mapping[str, object], source: str, base: Path
) -> Iterator[tuple[tuple[str, str], _Written]]:
    for table, content in document.items():
        if table not in TABLES or not isinstance(content, dict):
            what = "unknown table" if isinstance(content, dict) else "a key outside of any table"
            allowed = ", ".join(f"[{name}]" for name in TABLES)
            raise ConfigError(Problem(source, key=table, what=what, allowed=allowed))
        for key, value in content.items():
            rule = _allowed(TABLES[table], key)
            if rule is not None and rule.path and isinstance(value, str) and value:
                value = str(base / Path(value).expanduser())
            yield (table, key), _Written(source, value)


def _from_environment(environ: Mapping[str, str]) -> _Values:
    values: _Values = {}
    for name, text in environ.items():
        table, separator, key = name.removeprefix(ENV_PREFIX).partition("__")
        if not name.startswith(ENV_PREFIX) or not separator:
            continue  # PYZSYNC_KERNEL, for one, is not ours
        table, key = table.lower(), key.lower()
        if table not in TABLES:
            allowed = ", ".join(f"{ENV_PREFIX}{other.upper()}__..." for other in TABLES)
            raise ConfigError(Problem(name, what="unknown table", allowed=allowed))
        rule = _allowed(TABLES[table], key)
        values[table, key] = _Written(name, text if rule is None or rule.text else _parse(text))
    return values


def _parse(text: str) -> object:
    """A number, a switch or a list, in TOML; what is none of these stays text, and is then told."""
    try:
        return cast("object", tomllib.loads(f"value = {text}")["value"])
    except tomllib.TOMLDecodeError:
        return text


def _problem(
    table: str, model: type[BaseModel], detail: ErrorDetails, given: Mapping[str, _Written]
) -> Problem:
    """One of pydantic's findings, in our words."""
    context = detail.get("ctx", {})
    key = str(context["key"] if detail["type"] == "between_keys" else detail["loc"][0])
    source = given[key].source if key in given else next(iter(given.values())).source
    if detail["type"] == "between_keys":
        return Problem(source, table, key, context["what"], context["allowed"])
    rule = _allowed(model, key)
    if rule is None:
        keys = sorted(model.model_fields)
        near = difflib.get_close_matches(key, keys, n=1)
        what = f'unknown key; did you mean "{near[0]}"?' if near else "unknown key"
        return Problem(source, table, key, what, ", ".join(keys))
    found = f"found {'(hidden)' if rule.secret else show(given[key].value)}"
    reason = f" ({context['error']})" if detail["type"] == "value_error" else ""
    return Problem(source, table, key, found + reason, rule.words)
