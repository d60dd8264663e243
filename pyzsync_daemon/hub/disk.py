"""What a hub has on disk, opened for one process alone."""

from __future__ import annotations

import os
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pyzsync_daemon.config import HubSettings
from pyzsync_daemon.errors import DaemonError
from pyzsync_daemon.files.lock import try_lock
from pyzsync_daemon.files.root import Root
from pyzsync_daemon.files.trees import TreeStore
from pyzsync_daemon.hub.ignorefile import read_ignore_file
from pyzsync_daemon.hub.index import HubIndex

LOCK: Final = "lock.state"  # in the state; a client that is given the same one takes it too


class StateBusy(DaemonError):
    """Another hub, or a client, works in the state directory ``state``."""

    hint = "stop the other one, or give this hub a state directory of its own with --state"

    def __init__(self, state: Path) -> None:
        super().__init__(state)
        self.state = state

    def __str__(self) -> str:
        return f"another hub or client is at work in {self.state}"


@dataclass(frozen=True, slots=True)
class Disk:
    """What a hub has on disk."""

    root: Root
    index: HubIndex
    store: TreeStore
    ignore: list[str]
    opened: ExitStack

    @classmethod
    def open(cls, settings: HubSettings) -> Disk:
        """Open it, for this process alone. Raises ``DaemonError`` or ``OSError``."""
        state = settings.state_dir
        with ExitStack() as stack:
            root = stack.enter_context(Root(settings.root))
            ignore = read_ignore_file(root)
            state.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = try_lock(stack.enter_context(Root(state)), LOCK)
            if lock is None:
                raise StateBusy(state)
            stack.callback(os.close, lock)
            index = HubIndex(state / "hub.sqlite", identity=settings.identity)
            stack.callback(index.close)
            store = TreeStore(state / "trees")
            opened = stack.pop_all()
        return cls(root, index, store, ignore, opened)
