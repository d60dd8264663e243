"""The parts of a replica that its disk work shares, opened once and handed to every step.

ROOT/.pyzsync/lock       one client a root
ROOT/.pyzsync/staging/   entries on their way in, and what interrupted transfers left
ROOT/.pyzsync/attic/     files that the hub deleted or replaced, for a while
ROOT/.pyzsync/conflicts/ local content that made way for the hub's
STATE/index.sqlite       records, intents, position (STATE is ROOT/.pyzsync unless moved)
STATE/trees/             hash trees of larger files
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pyzsync_daemon.client.attic import Attic
from pyzsync_daemon.client.conflicts import Conflicts
from pyzsync_daemon.client.index import ClientIndex
from pyzsync_daemon.client.staging import HOME, Staging
from pyzsync_daemon.errors import DaemonError
from pyzsync_daemon.files.lock import try_lock
from pyzsync_daemon.files.root import Root
from pyzsync_daemon.files.trees import TreeStore
from pyzsync_daemon.guard import WINDOW_S

Step = Callable[[str], None]


class ReplicaBusy(DaemonError):
    """Another client works in ``directory`` (a root, or a state directory)."""

    hint = "stop the other client, or give this one directories of its own"

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.directory = directory

    def __str__(self) -> str:
        return f"another client is at work in {self.directory}"


class NotPrivate(DaemonError):
    """What is in ``directory`` is believed, and others than this user may have written it."""

    hint = "remove it if it is not yours; else: chown to the client's user, and chmod go-w"

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.directory = directory

    def __str__(self) -> str:
        return f"other users could write to {self.directory}, which has to be the client's own"


class StateInRoot(DaemonError):
    """``state`` lies in the tree that is replicated into ``root``."""

    hint = "choose a state directory outside of the replica, or leave it in its .pyzsync"

    def __init__(self, root: Path, state: Path) -> None:
        super().__init__(root, state)
        self.root = root
        self.state = state

    def __str__(self) -> str:
        return f"the state directory {self.state} lies in the replica {self.root}"


@dataclass(frozen=True, slots=True)
class WorkbenchSettings:
    """How a replica treats what is not the hub's, and how careful it is with deletions.

    ``conflict``: local content in the hub's way is kept aside, overwritten, or left (refused).
    ``mirror``: what the hub never published is moved aside too. ``deletion_share`` of the records,
    if more than ``deletion_floor``, is the most that may be deleted within ``deletion_window`` (s)
    unless ``allow_mass_delete``. ``attic_bytes`` and ``attic_count`` bound the attic; files of
    ``tree_bytes`` and more have their hash tree stored.
    """

    conflict: Literal["keep", "overwrite", "refuse"] = "keep"
    mirror: bool = False
    attic_bytes: int = 256 * 2**20
    attic_count: int = 4096
    deletion_share: float = 0.5
    deletion_floor: int = 20
    deletion_window: float = WINDOW_S
    allow_mass_delete: bool = False
    tree_bytes: int = 2**20  # below, hashing again is as quick as opening a stored tree


@dataclass(frozen=True, slots=True)
class Replica:
    """Everything that disk work needs.

    ``cores``: a thread for each, among which effects share out passes over files (and in which none
    runs). ``clock`` gives nanoseconds since the epoch, ``steady`` seconds that never go back.
    """

    root: Root
    staging: Staging
    index: ClientIndex
    trees: TreeStore
    attic: Attic
    conflicts: Conflicts
    settings: WorkbenchSettings
    cores: Executor
    clock: Callable[[], int]
    steady: Callable[[], float]
    step: Step
    opened: ExitStack

    @classmethod
    def open(
        cls,
        root: Path,
        state: Path | None = None,
        settings: WorkbenchSettings | None = None,
        clock: Callable[[], int] = time.time_ns,
        steady: Callable[[], float] = time.monotonic,
        step: Step = lambda name: None,
    ) -> Replica:
        """Open (and first make) the replica in ``root``.

        Raises ``ReplicaBusy``, ``NotPrivate``, ``StateInRoot``, ``ForeignDatabase``, ``OSError`` or
        ``sqlite3.Error``.
        """
        settings = settings or WorkbenchSettings()
        root.mkdir(parents=True, exist_ok=True)
        with ExitStack() as stack:
            ground = stack.enter_context(Root(root))
            ground.make_directory(HOME)
            _check_private(ground)
            stack.callback(os.close, _lock(ground, f"{HOME}/lock", root))
            home = _home(root, state)
            with Root(home) as elsewhere:  # two roots must not share a state
                stack.callback(os.close, _lock(elsewhere, "lock.state", home))
            staging = stack.enter_context(closing(Staging(ground)))
            index = stack.enter_context(closing(ClientIndex(home / "index.sqlite")))
            conflicts = Conflicts(ground, clock)
            attic = Attic(ground, conflicts, settings.attic_bytes, settings.attic_count)
            stack.enter_context(closing(attic))
            trees = TreeStore(home / "trees")
            cores = stack.enter_context(ThreadPoolExecutor(os.cpu_count(), "core"))
            opened = stack.pop_all()
        return cls(
            root=ground,
            staging=staging,
            index=index,
            trees=trees,
            attic=attic,
            conflicts=conflicts,
            settings=settings,
            cores=cores,
            clock=clock,
            steady=steady,
            step=step,
            opened=opened,
        )

    def close(self) -> None:
        """Close everything; another client may open the root afterwards."""
        self.opened.close()


def _home(root: Path, state: Path | None) -> Path:
    """Where the index and the trees are: not in the tree, where the hub publishes."""
    private = root.resolve() / HOME
    home = private if state is None else state.resolve()
    if home.is_relative_to(root.resolve()) and not home.is_relative_to(private):
        raise StateInRoot(root, home)
    home.mkdir(parents=True, exist_ok=True)
    return home


def _check_private(root: Root) -> None:
    """Records and intents say which local bytes may go: nobody else may write them."""
    with root.directory(HOME) as fd:
        status = os.fstat(fd)
    if status.st_uid != os.geteuid() or status.st_mode & 0o022:
        raise NotPrivate(root.path / HOME)


def _lock(folder: Root, name: str, busy: Path) -> int:
    """Take a directory for this process; the kernel gives it back however the process ends."""
    fd = try_lock(folder, name)
    if fd is None:
        raise ReplicaBusy(busy)
    return fd
