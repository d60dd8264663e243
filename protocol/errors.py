"""What can go wrong between a hub and a client, as a closed set of codes and a tree of exceptions.

    ProtocolError            any code; raised by sessions, and when a peer says goodbye
    ├── BadMessage           bytes that are not a valid message: where in it, and why
    ├── BadPath              a path that no peer may name: which, and why
    ├── TooLarge             more than a limit of ``protocol.limits``: what, its size, the limit
    └── UnexpectedMessage    a valid message that its receiver's state does not allow

A code crosses the wire as its number; the sentences here never do (``Goodbye.detail`` is for
people, not to be parsed).
"""

from __future__ import annotations

from enum import IntEnum
from typing import Self


class Code(IntEnum):
    """Why an answer or a connection ended. The numbers are fixed in SPEC.md.

    ``retry``: whether the same request, or a new connection, may succeed later with nothing
    changed by a person and nothing else learnt first. ``advice``: what to do next.
    """

    retry: bool
    advice: str

    def __new__(cls, value: int, retry: bool, advice: str) -> Self:
        """Keep the number as the value, so that ``Code(number)`` is the way back."""
        code = int.__new__(cls, value)
        code._value_ = value
        code.retry = retry
        code.advice = advice
        return code

    # The work is done: there is nothing to try again.
    NORMAL = 0, False, "nothing needs to be done"
    # The peer would send the same bytes again.
    BAD_MESSAGE = 1, False, "update the side that sent it, or report the bug"
    # The path stays bad for as long as it has that name.
    BAD_PATH = 2, False, "rename the path on the side that has it"
    # The same message would be as large again.
    TOO_LARGE = 3, False, "split the message, or update the side that sent it"
    # Both sides stay what they are until one is updated.
    UNSUPPORTED_PROTOCOL = 4, False, "update the older side"
    # A token does not become valid by waiting.
    UNAUTHORIZED = 5, False, "check the token in the client's configuration"
    # The address answers for another hub until a person decides which is meant.
    WRONG_HUB = 6, False, "check the address; to follow the new hub, reset the client's state"
    # A state machine that sends it once sends it again.
    UNEXPECTED_MESSAGE = 7, False, "update the side that sent it, or report the bug"
    # The hub never had, or no longer has, a hash tree of that version.
    UNKNOWN_VERSION = 8, False, "wait for a newer announcement of the path"
    # The file moved on; the same question stays unanswerable.
    GONE = 9, False, "wait for a newer announcement of the path"
    # There is another way to the same bytes.
    NO_DELTA = 10, False, "ask for hashes and blocks instead"
    # The hub has too much to do just now.
    BUSY = 11, True, "try again after the time it gave"
    # The hub stops or restarts.
    DRAINING = 12, True, "connect again after the time it gave"
    # The client did not read fast enough and may do better over a new connection.
    SLOW_CLIENT = 13, True, "connect again; what was missed is announced then"
    # The hub's root vanished or emptied; it goes on by itself when the root is back.
    HALTED = 14, True, "look at the hub's log; connect again later"
    # Something failed that is nobody's message; the next try may not meet it.
    INTERNAL = 15, True, "look at the log of the side that failed; try again later"


def _short(value: object) -> str:
    """One printable line of bounded length, whatever a peer put in the value."""
    shown = repr(value)
    return shown if len(shown) <= 120 else shown[:80] + "…" + shown[-39:]


class ProtocolError(Exception):
    """The conversation cannot go on, or a question cannot be answered.

    ``code`` goes to the peer; ``detail`` is the reason in words (one printable line).
    ``retry_after_ms`` is the peer's advice when it gave any.
    """

    def __init__(self, code: Code, detail: str = "", retry_after_ms: int = 0) -> None:
        super().__init__(code, detail, retry_after_ms)
        self.code = code
        self.detail = detail
        self.retry_after_ms = retry_after_ms

    @property
    def retry(self) -> bool:
        """Whether trying again, unchanged, can help."""
        return self.code.retry

    def __str__(self) -> str:
        reason = self.detail or self.code.name.lower().replace("_", " ")
        return f"{reason}; {self.code.advice}"


class BadMessage(ProtocolError):
    """Bytes from a peer that are not a valid message. ``where``: message and field."""

    def __init__(self, where: str, why: str) -> None:
        super().__init__(Code.BAD_MESSAGE, f"{where}: {why}")
        self.where = where
        self.why = why


class BadPath(ProtocolError):
    """A path that is not canonical, or that is reserved."""

    def __init__(self, path: str | bytes, why: str) -> None:
        super().__init__(Code.BAD_PATH, f"path {_short(path)} {why}")
        self.path = path
        self.why = why


class TooLarge(ProtocolError):
    """More than a limit allows; ``size`` and ``limit`` are in the same unit."""

    def __init__(self, what: str, size: int, limit: int) -> None:
        super().__init__(Code.TOO_LARGE, f"{what} of {size} is over the limit of {limit}")
        self.what = what
        self.size = size
        self.limit = limit


class UnexpectedMessage(ProtocolError):
    """A valid message in a state that has no transition for it."""

    def __init__(self, state: str, message: str) -> None:
        super().__init__(Code.UNEXPECTED_MESSAGE, f"{message} is not expected while {state}")
        self.state = state
        self.message = message
