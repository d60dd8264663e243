"""When the first scan of a log is over. Pure; times are seconds of any clock that does not go back.

A snapshot says what there is, and clients delete the rest: so none is served before all of the tree
was read once. What cannot be read (written to without pause, no right to) is waited for, but not
for ever: then the hub serves without it, as its log says, and clients that had the path from an
earlier log of this hub move it to their attic until it is announced.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from math import inf


class FirstScan:
    """The first scan after a start or a halt. ``patience_s``: see ``over``.

    ``unread`` are paths that it found and that were not read, or not yet.
    """

    def __init__(self, patience_s: float) -> None:
        self.begun = False
        self.unread: set[str] = set()
        self._awaited: set[str] = set()
        self._patience_s = patience_s
        self._ends = inf

    def scanned(self, unread: Iterable[str], big: Collection[str]) -> None:
        """The whole tree was looked at (again). ``unread`` is not to be had; ``big`` files are read
        beside everything else, and those of the first look are waited for."""
        if not self.begun:
            self.begun, self._awaited = True, set(big)
        self.unread = {*unread, *big}

    def read(self, done: Iterable[str], failed: Iterable[str]) -> None:
        """Some paths were read, or could not be."""
        done, failed = set(done), set(failed)
        self._awaited -= done | failed
        self.unread = self.unread - done | failed

    @property
    def committed(self) -> bool:
        """Whether the big files are done with, one way or the other."""
        return self.begun and not self._awaited

    def over(self, now: float) -> bool:
        """Asked when everything else is done: whether nothing is unread, or patience has ended.

        Patience begins with the first time this is asked.
        """
        self._ends = min(self._ends, now + self._patience_s)
        return not self.unread or now >= self._ends
