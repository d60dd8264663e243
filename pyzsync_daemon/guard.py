"""The mass-deletion guard: an emptied or unmounted tree must not empty the replicas.

Pure; hub and client use the same. An ``rm -r`` or an unmount under way is seen in several steps,
each of them small, so deletions are summed over a time.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

WINDOW_S = 30.0
"""How long a deletion counts: a tree of a million files vanishes within it."""


@dataclass(frozen=True, slots=True)
class Halt:
    """``vanished`` of ``entries`` would go at once; ``share`` and ``floor`` say what may."""

    vanished: int
    entries: int
    share: float
    floor: int

    def __str__(self) -> str:
        if self.vanished >= self.entries:
            return f"all {self.entries} entries are gone"
        return (
            f"{self.vanished} of {self.entries} entries are gone; "
            f"more than {self.floor} and {self.share:.0%} at once is not believed"
        )


class DeletionGuard:
    """Refuses to believe that more than ``share`` of the entries go at once, beyond ``floor``.

    Losing everything is not believed either, unless there was but one entry. ``now`` is any clock
    in seconds that does not go back.
    """

    def __init__(self, share: float, floor: int, window_s: float = WINDOW_S) -> None:
        self.share = share
        self.floor = floor
        self._window_s = window_s
        self._recent: deque[tuple[float, int, int]] = deque()  # when, lost, of how many

    def check(self, now: float, entries: int, vanished: int, appeared: int = 0) -> Halt | None:
        """Whether ``vanished`` of ``entries`` may go, when ``appeared`` others come with it.

        What appears is set off, so that moving a tree is no deletion. A check that passes counts
        towards the next ones, whether or not ``entries`` says already that they have gone.
        """
        while self._recent and self._recent[0][0] <= now - self._window_s:
            self._recent.popleft()
        lost = max(0, vanished - appeared)
        if not lost:
            return None
        # The most there were within the time, so that files which come and go are no emptied tree.
        total = max(entries, *(count for _, _, count in self._recent), 0)
        gone = lost + sum(count for _, count, _ in self._recent)
        emptied = (lost >= entries or gone >= total) and total > 1
        if emptied or (gone > self.floor and gone > self.share * total):
            return Halt(gone, total, self.share, self.floor)
        self._recent.append((now, lost, entries))
        return None

    def forgive(self) -> None:
        """Forget what was counted: a person has allowed it."""
        self._recent.clear()
