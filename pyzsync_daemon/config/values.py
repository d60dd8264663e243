"""The kinds of values that keys may have; each carries the words for what is allowed."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr

from pyzsync_daemon.ignore import check_line
from pyzsync_daemon.units import parse_bytes

__all__ = [
    "Allowed",
    "Conflict",
    "Count",
    "HubUrl",
    "LevelName",
    "Lines",
    "Listen",
    "LogFormat",
    "Many",
    "OptionalPath",
    "RootPath",
    "Seconds",
    "Secret",
    "Share",
    "Size",
    "Switch",
    "Text",
    "Wait",
    "is_loopback",
    "split_address",
]


@dataclass(frozen=True, slots=True)
class Allowed:
    """Rides on a field: the words for what it takes.

    ``text``: a string from the environment is the value itself, not TOML to parse. ``path``: it
    is resolved against the place it was written in. ``secret``: it is never repeated.
    """

    words: str
    text: bool = False
    path: bool = False
    secret: bool = False


def split_address(text: str) -> tuple[str, int]:
    """Read ``HOST:PORT`` or ``[V6]:PORT``; ValueError when it is neither."""
    parts = urlsplit(f"//{text}")
    if parts.netloc != text or parts.username is not None or not parts.hostname:
        raise ValueError("not HOST:PORT")
    if parts.port is None:  # urlsplit itself refuses a port outside 0 to 65535
        raise ValueError("the port is missing")
    return parts.hostname, parts.port


def is_loopback(host: str) -> bool:
    """Whether bytes for ``host`` stay on this machine; a name other than localhost is not asked."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _listen(text: str) -> str:
    split_address(text)
    return text


def _hub_url(text: str) -> str:
    if not text:
        return text
    parts = urlsplit(text)
    if parts.scheme not in ("ws", "wss"):
        raise ValueError("the scheme is not ws or wss")
    if not parts.hostname or parts.port == 0:
        raise ValueError("the host or the port is missing")
    if parts.username is not None or parts.password is not None:
        raise ValueError("a name or password in the URL is not used; set token or token_file")
    if parts.fragment:
        raise ValueError("a WebSocket URL has no #fragment")
    return parts.geturl()


def _size(value: object) -> object:
    return parse_bytes(value) if isinstance(value, str) else value


def _path(value: object) -> object:
    if isinstance(value, str):
        if "\0" in value:
            raise ValueError("a path holds no NUL")
        return Path(value) if value else None
    return value


def _lines(value: object) -> object:
    return tuple(value) if isinstance(value, list) else value


def _patterns(lines: tuple[str, ...]) -> tuple[str, ...]:
    for line in lines:
        check_line(line)
    return lines


def _secret(value: SecretStr) -> SecretStr:
    # It travels in an HTTP header: visible ASCII only.
    if not all("!" <= char <= "~" for char in value.get_secret_value()):
        raise ValueError("it has spaces or characters that a header cannot carry")
    return value


Text = Annotated[str, Allowed("text", text=True)]
Switch = Annotated[bool, Allowed("true or false")]
Count = Annotated[int, Field(ge=1), Allowed("a whole number, 1 or more")]
Many = Annotated[int, Field(ge=0), Allowed("a whole number, 0 or more")]
Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False), Allowed("seconds, more than 0")]
Wait = Annotated[float, Field(ge=0, allow_inf_nan=False), Allowed("a duration, 0 or more")]
Share = Annotated[float, Field(gt=0, le=1), Allowed("a share: more than 0, at most 1")]
Size = Annotated[
    int,
    BeforeValidator(_size),
    Field(ge=0),
    Allowed('bytes, as a whole number or as text like "64 MiB"'),
]
RootPath = Annotated[
    Path, BeforeValidator(_path), Allowed("the path of a directory", text=True, path=True)
]
OptionalPath = Annotated[
    Path | None, BeforeValidator(_path), Allowed('a path, or "" for none', text=True, path=True)
]
Lines = Annotated[
    tuple[str, ...],
    BeforeValidator(_lines),
    AfterValidator(_patterns),
    Allowed('a list of gitignore patterns, like ["*.tmp", "/build/"]'),
]
Secret = Annotated[
    SecretStr,
    AfterValidator(_secret),
    Allowed("visible ASCII characters without spaces", text=True, secret=True),
]
Listen = Annotated[
    str,
    AfterValidator(_listen),
    Allowed('HOST:PORT, like "127.0.0.1:8471" or "[::1]:0"', text=True),
]
HubUrl = Annotated[
    str,
    AfterValidator(_hub_url),
    Allowed('ws://HOST:PORT or wss://HOST:PORT, like "ws://127.0.0.1:8471"', text=True),
]
Conflict = Annotated[
    Literal["keep", "overwrite", "refuse"],
    Allowed('"keep", "overwrite" or "refuse"', text=True),
]
LevelName = Annotated[
    Literal["debug", "info", "warning", "error"],
    Allowed('"debug", "info", "warning" or "error"', text=True),
]
LogFormat = Annotated[
    Literal["auto", "human", "json"], Allowed('"auto", "human" or "json"', text=True)
]
