"""What can go wrong in the library. Facts are in fields, the sentence is in ``__str__``.

PyzsyncError
 +-- ShortRead         an input had another length than was announced
 +-- TreeFormatError   bytes that should be a packed hash tree are not
 +-- MissingBlocks     a patch was finished before all of its windows had been checked
 +-- VersionMismatch   all windows passed, but together they are not the wanted version
 +-- BadDelta          a delta's steps do not make the new version's length, or are malformed

Arguments that no input from outside can cause (a run outside its window) are ValueErrors.
"""

from __future__ import annotations

from pyzsync.runs import Runs


class PyzsyncError(Exception):
    """Base of all errors of this library."""


class ShortRead(PyzsyncError):
    """An input of ``expected`` bytes had ``got`` (one more than expected: it goes on)."""

    def __init__(self, expected: int, got: int) -> None:
        super().__init__(expected, got)
        self.expected = expected
        self.got = got

    def __str__(self) -> str:
        if self.got > self.expected:
            return f"the input goes on after its {self.expected} bytes; it grew, so read it again"
        return f"the input ended after {self.got} of {self.expected} bytes; read it again"


class TreeFormatError(PyzsyncError):
    """A packed tree cannot be used; ``reason`` says what is wrong with it."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return f"not a usable hash tree: {self.reason}; hash the file again"


class MissingBlocks(PyzsyncError):
    """``windows`` (runs of window indices) are not there, or not checked yet."""

    def __init__(self, windows: Runs) -> None:
        super().__init__(windows)
        self.windows = windows

    def __str__(self) -> str:
        count = sum(stop - start for start, stop in self.windows)
        first = self.windows[0][0]
        return f"{count} windows have not been checked, the first is {first}; check them first"


class VersionMismatch(PyzsyncError):
    """The bytes are those of version ``found``, not of ``wanted``."""

    def __init__(self, wanted: bytes, found: bytes) -> None:
        super().__init__(wanted, found)
        self.wanted = wanted
        self.found = found

    def __str__(self) -> str:
        return (
            f"the bytes are version {self.found.hex()[:16]}, not {self.wanted.hex()[:16]}; "
            "fetch the finest hashes and check every window again"
        )


class BadDelta(PyzsyncError):
    """A delta cannot be applied; ``reason`` says what is wrong with it."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return f"not a usable delta: {self.reason}; ask for hashes and blocks instead"
