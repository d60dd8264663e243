"""When what is ready goes to the disk: at once if it is alone, else together with what comes."""

from __future__ import annotations

from typing import Final

ENOUGH: Final = 512  # changes in a Commit: its four waits for the disk are then little for each
PATIENCE: Final = 0.05  # seconds that one change may wait for others, less than it takes to come


class Gather:
    """``at``: when it goes, whatever else is on the way (seconds of the caller's clock)."""

    def __init__(self) -> None:
        self.at: float | None = None

    def enough(self, ready: int, now: float, *, more: bool) -> bool:
        """Whether ``ready`` changes are to be put in place now. ``more``: others are soon ready."""
        if not ready:
            self.at = None
            return False
        if self.at is None:
            self.at = now + PATIENCE
        if more and ready < ENOUGH and now < self.at:
            return False
        self.at = None
        return True
