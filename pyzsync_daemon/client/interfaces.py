"""What a client needs of a replica, and no more: on disk, or as the load test keeps them in memory.

``ClientDaemon`` needs a ``Bench`` and something that runs its effects; ``Pull`` needs old bytes
and a place to stage new ones. The real ones are ``Workbench``, ``Runner``, ``OldBytes`` and
``Staging``.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import AbstractContextManager
from typing import Protocol, TypeVar

from protocol.messages import Change, Message, Position
from pyzsync import HashTree
from pyzsync.tree import Columns
from pyzsync_daemon.client.effects import Effect, Result

Work = Callable[[Effect], Result]
Done = Callable[[list[tuple[Effect, Result]]], None]


class OldPart(Protocol):
    """One file of old bytes; ``staged``: what an interrupted transfer left."""

    @property
    def length(self) -> int:
        """Its bytes."""
        ...

    @property
    def staged(self) -> bool:
        """Whether it is no file of the tree."""
        ...

    @property
    def version(self) -> bytes:
        """Its version, if that is known."""
        ...

    @property
    def given(self) -> bool:
        """Whether it is what the hub gave."""
        ...


class Staged(Protocol):
    """A new file being made, while it is open."""

    def read(self, offset: int, size: int) -> bytes:
        """Staged bytes; fewer than ``size`` only at the end."""
        ...

    def write(self, offset: int, data: bytes) -> None:
        """Stage bytes."""
        ...


File = TypeVar("File", bound=Staged)
Taker = TypeVar("Taker", bound=Staged, contravariant=True)
Giver = TypeVar("Giver", bound=Staged, covariant=True)


class Stage(Protocol[Giver]):
    """Where new files are made."""

    def open(
        self, name: str, sparse: bool = False, size: int | None = None
    ) -> AbstractContextManager[Giver]:
        """A staged file, open while the context lasts; with a ``size`` it is made first."""
        ...

    def fill(self, name: str, data: bytes, change: Change) -> None:
        """Make a small file in one go."""
        ...


class OldContent(Protocol[Taker]):
    """Old files as one address space; ``tree_bytes``: from this size on their trees are kept."""

    @property
    def files(self) -> Sequence[OldPart]:
        """The files, in order; the first is that of the path, if it has one."""
        ...

    @property
    def length(self) -> int:
        """Bytes of all files together."""
        ...

    @property
    def tree_bytes(self) -> int:
        """Of files from this size on the tree is kept."""
        ...

    @property
    def cores(self) -> Executor | None:
        """Threads that may read and copy while the files are open; None: only the caller may."""
        ...

    def columns(self, counts: Sequence[int]) -> Columns:
        """Where the new file's tree is built."""
        ...

    def opened(self) -> AbstractContextManager[None]:
        """Files are open only while an effect runs."""
        ...

    def trees(self, base: int) -> Iterator[tuple[int, HashTree]]:
        """Where each file begins, and its tree."""
        ...

    def read(self, offset: int, size: int) -> bytes:
        """Old bytes; fewer where a file has shrunk or gone."""
        ...

    def copy(self, offset: int, size: int, staged: Taker, at: int) -> int:
        """Copy old bytes to ``at`` in a staged file; returns how many there were."""
        ...


class Bench(Protocol):
    """A replica being worked on: one call of ``run`` for each effect of the session."""

    @property
    def hub(self) -> bytes:
        """The identity of the hub that it follows; empty before the first one."""
        ...

    @property
    def position(self) -> Position | None:
        """How far it follows the hub."""
        ...

    @property
    def ahead(self) -> Mapping[str, int]:
        """The seq of what was applied beyond the position, by path."""
        ...

    def run(self, effect: Effect) -> Result:
        """Do one effect."""
        ...


class Running(Protocol):
    """Runs effects, and tells of their results in the event loop."""

    failed: asyncio.Future[None]

    def start(self, effects: Sequence[Effect]) -> None:
        """Run effects."""
        ...

    async def close(self) -> None:
        """Wait for what runs; drop what waits."""
        ...


class Socket(Protocol):
    """An open WebSocket, as a link uses it; ``ConnectionClosed`` ends each of its calls."""

    def __aiter__(self) -> AsyncIterator[bytes | str]:
        """The frames that come, until it is closed."""
        ...

    async def send(self, message: bytes) -> None:
        """Send a frame; waits while buffers are full."""
        ...

    async def close(self) -> None:
        """Close it."""
        ...


class Observer(Protocol):
    """Is told of everything that happens. ``now``: seconds of any steady clock."""

    def received(self, message: Message, now: float) -> None:
        """The hub said something."""
        ...

    def completed(self, effect: Effect, result: Result, now: float) -> None:
        """An effect has ended."""
        ...

    def problems(self, problems: dict[str, str]) -> None:
        """What is not as the hub has it, and why."""
        ...

    def settled(self) -> None:
        """Nothing is under way."""
        ...

    def link_closed(self, received: int, sent: int) -> None:
        """A connection has ended after so many bytes."""
        ...
