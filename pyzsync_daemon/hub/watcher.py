"""Watching a tree with watchfiles: which paths may have changed.

Its traps are met here. Its default filter drops ``.git``, ``*.swp`` and more: none is used. A name
that is not UTF-8 ends its iterator, as does an error of the system: the watch is armed again, and
the whole tree reported as dirty, as events were lost. Nobody is told when the watch is armed: it
asks its stop event only from then on, so the stop event tells. It stops arming at a directory that
it may not read, and fails, or with ``ignore_permission_denied`` leaves the rest of the tree
unwatched in silence: that is done only after the failure was logged. It follows symlinks: events
from behind them are dropped by the scan, but each directory there costs a watch.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

import structlog
from watchfiles import Change, watch
from watchfiles.main import FileChange

STEP_MS = 5
"""How often watchfiles looks for events. An edit waits for the rest of one step, and for one more
in which nothing came: 5 to 10 ms, of which steps of 10 ms would make 10 to 20. A hub that has
nothing to do takes 0.7 % of a core with this, and 0.5 % with 10 ms (measured)."""

FLOOD = 8192
"""Events in one go after which the kernel's queue (16384 by default) may have overflowed; nobody
would tell, so the whole tree is scanned as well."""

LONGEST_PAUSE_S = 2.0
"""Between two tries when the watch ends all the time: a name that is not UTF-8 is written to."""

LIMIT = (
    "the limit is fs.inotify.max_user_watches (sysctl); until it is raised, rescans find changes"
)
"""What helps when a watch needs more than the system gives."""

_log = structlog.get_logger(__name__)


class Watcher:
    """Calls ``dirty`` with relative paths below ``root``, and which of them may be gone; or with
    None: anything may have changed. Where the system's limit of watches is reached it is tried
    again every ``rescan_s``, since each try walks the whole tree.

    The first None comes when the watch is armed, or when arming it has failed once. ``dirty`` is
    called in the watcher's thread; paths that ``hides`` says are hidden never get there. A burst of
    events is collected for ``burst_s`` at most.
    """

    def __init__(
        self,
        root: Path,
        hides: Callable[[str], bool],
        dirty: Callable[[set[str] | None, set[str]], None],
        burst_s: float = 0.02,
        rescan_s: float = 60.0,
    ) -> None:
        self._root = os.path.abspath(root)  # noqa: PTH100 - events repeat it, symlinks unresolved
        self._hides = hides
        self._dirty = dirty
        self._burst_ms = max(STEP_MS, round(1000 * burst_s))
        self._rescan_s = rescan_s
        self._stopping = threading.Event()
        self._rearm = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)
        self._partly = False  # some directory may not be read
        self._failure = ""  # what was logged last
        self.armed = False

    def start(self) -> None:
        """Begin to watch, in a thread of its own."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread, and wait for that: a few milliseconds."""
        self._stopping.set()
        self._thread.join()

    def rearm(self) -> None:
        """Watch anew: another directory is at the root's path now."""
        self._rearm.set()

    def is_set(self) -> bool:
        """Whether the present watch is to end. Asked by watchfiles, all the time, once armed."""
        if not self.armed:
            self.armed = True
            self._dirty(None, set())
        return self._stopping.is_set() or self._rearm.is_set()

    def _run(self) -> None:
        pause, first = 0.0, True
        while not self._stopping.is_set():
            began = time.monotonic()
            self._rearm.clear()
            try:
                self._watch()
                self._failure = ""
            except PermissionError as error:
                _log.warning("part of the tree is found by rescans only", error=str(error))
                self._partly = True
            except Exception as error:  # whatever it was, events were lost
                self._failed(error)
            if first and not self.armed:
                self._dirty(None, set())
            first, self.armed = False, False
            lived = time.monotonic() - began
            pause = 0.0 if lived > 4 * pause + 1 else min(2 * pause + 0.05, LONGEST_PAUSE_S)
            if self._failure is LIMIT:
                pause = self._rescan_s
            if not self._rearm.is_set():
                self._stopping.wait(pause)

    def _failed(self, error: Exception) -> None:
        full = "watch limit" in str(error)  # watchfiles gives no number
        failure = LIMIT if full else str(error)
        if self.armed or failure != self._failure:
            hint = {"hint": LIMIT} if full else {}
            _log.warning("watch ended", root=self._root, error=str(error), **hint)
        self._failure = failure

    def _watch(self) -> None:
        os.stat(self._root)  # noqa: PTH116 - with _partly, a missing root would not be told
        # No timeout: watchfiles forgets the events that come while it reports one.
        for events in watch(
            self._root,
            watch_filter=None,
            debounce=self._burst_ms,
            step=STEP_MS,
            rust_timeout=0,
            stop_event=self,
            raise_interrupt=False,
            ignore_permission_denied=self._partly,
        ):
            self._report(events)

    def _report(self, events: set[FileChange]) -> None:
        below = os.path.join(self._root, "")  # noqa: PTH118 - a Path has no slash at its end
        visible, gone = set(), set()
        for change, full in events:
            path = full.removeprefix(below)
            if path != full and not self._hides(path):
                visible.add(path)
                if change is Change.deleted:
                    gone.add(path)
        if visible:
            self._dirty(visible, gone)
        if len(events) >= FLOOD or any(full == self._root for _, full in events):
            self._dirty(None, set())
