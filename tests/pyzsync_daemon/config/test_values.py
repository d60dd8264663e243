from pathlib import Path

import pytest
from pydantic import TypeAdapter, ValidationError

from pyzsync_daemon.config.values import (
    HubUrl,
    Lines,
    Listen,
    OptionalPath,
    RootPath,
    Secret,
    Size,
    is_loopback,
    split_address,
)


def read(kind, value):
    return TypeAdapter(kind).validate_python(value, strict=True)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:8471", ("127.0.0.1", 8471)),
        ("[::1]:0", ("::1", 0)),
        ("hub.example:65535", ("hub.example", 65535)),
    ],
)
def test_addresses(text, address):
    assert split_address(text) == address
    assert read(Listen, text) == text


@pytest.mark.parametrize(
    "text", ["", "host", ":80", "host:", "host:65536", "a:1/b", "u@h:1", "::1:2"]
)
def test_refused_addresses(text):
    with pytest.raises(ValidationError):
        read(Listen, text)


@pytest.mark.parametrize(
    ("host", "answer"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("localhost", True),
        ("a.localhost", True),
        ("0.0.0.0", False),
        ("::", False),
        ("192.0.2.1", False),
        ("hub.example", False),
        ("", False),
    ],
)
def test_loopback(host, answer):
    assert is_loopback(host) is answer


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("", ""),
        ("ws://h:1", "ws://h:1"),
        ("WSS://h", "wss://h"),
        ("wss://h:1/path", "wss://h:1/path"),
    ],
)
def test_hub_urls(text, url):
    assert read(HubUrl, text) == url


@pytest.mark.parametrize(
    "text", ["h:1", "http://h", "ws://", "ws://h:0", "ws://h:99999", "ws://u:p@h", "ws://h#x"]
)
def test_refused_hub_urls(text):
    with pytest.raises(ValidationError):
        read(HubUrl, text)


def test_sizes():
    assert read(Size, "64 KiB") == read(Size, 65536) == 65536
    for wrong in ("64 Kob", -1, 1.5, True):
        with pytest.raises(ValidationError):
            read(Size, wrong)


def test_paths():
    assert read(OptionalPath, "") is None
    assert read(OptionalPath, "a/b") == read(RootPath, Path("a/b")) == Path("a/b")
    for wrong in ("", "a\0b", 3):
        with pytest.raises(ValidationError):
            read(RootPath, wrong)


def test_lines():
    assert read(Lines, ["a", "b"]) == ("a", "b")
    for wrong in ("a", ["a", 1]):
        with pytest.raises(ValidationError):
            read(Lines, wrong)


def test_secrets_fit_a_header():
    assert read(Secret, "a.b-c~1").get_secret_value() == "a.b-c~1"
    for wrong in ("a b", "a\n", "é"):
        with pytest.raises(ValidationError):
            read(Secret, wrong)
