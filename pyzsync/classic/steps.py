"""Input and output for two worlds: an operation is written once and driven with or without await.

An operation is a generator that yields a ``Call`` for every thing it wants of a file, and is sent
what the call returned. ``run`` makes the calls, ``run_async`` awaits them (aiofiles).
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any, NamedTuple, Protocol, TypeVar

T = TypeVar("T")

# The most bytes that one call reads or writes: each is a trip to a thread with aiofiles, and a
# mebibyte takes far longer than the trip.
CHUNK = 1 << 20


class Call(NamedTuple):
    """One call on a file: a bound method and its argument."""

    method: Callable[[Any], Any]
    argument: Any


Steps = Generator[Call, Any, T]


class ReadableFile(Protocol):
    """A binary file to read, of ``open`` or of aiofiles."""

    def read(self, size: int, /) -> object:
        """At most ``size`` bytes; none at the end."""

    def seek(self, offset: int, /) -> object:
        """Go to an offset from the beginning."""


class WritableFile(Protocol):
    """A binary file to write, of ``open`` or of aiofiles."""

    def write(self, data: bytes, /) -> object:
        """Write all of ``data``."""

    def seek(self, offset: int, /) -> object:
        """Go to an offset from the beginning."""

    def truncate(self, size: int, /) -> object:
        """Set the file's length."""


def run(steps: Steps[T]) -> T:
    """Drive an operation on ordinary files."""
    answer: Any = None
    while True:
        try:
            call = steps.send(answer)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]  # StopIteration.value is not generic
        answer = call.method(call.argument)


async def run_async(steps: Steps[T]) -> T:
    """Drive an operation on files whose methods are awaited."""
    answer: Any = None
    while True:
        try:
            call = steps.send(answer)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]  # as above
        answer = await call.method(call.argument)


def read_at(file: ReadableFile, offset: int, size: int) -> Steps[bytes]:
    """Read ``size`` bytes at ``offset``; fewer only where the file ends."""
    yield Call(file.seek, offset)
    parts: list[bytes] = []
    while size and (data := (yield Call(file.read, min(size, CHUNK)))):
        parts.append(data)
        size -= len(data)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def write_at(file: WritableFile, offset: int, data: bytes) -> Steps[None]:
    """Write ``data`` at ``offset``."""
    yield Call(file.seek, offset)
    yield Call(file.write, data)
