"""One hub, some clients, and everything that may happen to them: a stateful machine.

Rules change the hub's tree, publish it, let time pass, and bring faults: cut links, crashes,
restarts, a hub that lost its state or got an old one back, local edits at the worst moments. After
each rule ``Witness`` looks at every replica; at the end all of them have to be as the hub.
"""

from __future__ import annotations

import random
import shutil
from pathlib import Path

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from pyzsync_daemon.client.effects import Match, Prune, Put
from tests.simulation import disk
from tests.simulation.conftest import new_place
from tests.simulation.witness import Replicas
from tests.simulation.world import SLOWEST, Corruption, World, restart_from

PATHS = ("a", "b", "a/x", "d", "d/a", "d/b", "d/e", "d/e/a", "n\udcff")
FOREIGN = ("mine", "d/mine", "d/e/mine", "b")  # places where somebody puts files of his own
SIZES = (0, 1, 511, 512, 513, 3000, 30_000)
STEPS = ("intent", "stage", "fsync", "link", "rename", "dirsync", "record")
ANCHOR = "anchor"  # never touched, so that the tree is never empty: that is another test

path = st.sampled_from(PATHS)
size = st.sampled_from(SIZES)
number = st.integers(0, 2**16)
few = st.integers(0, 40)
then = st.one_of(st.none(), few)  # moves after the change was published; None: not yet


def noise(seed: int, length: int) -> bytes:
    return random.Random(seed).randbytes(length)


def edited(data: bytes, how: str, seed: int) -> bytes:
    """A small edit somewhere in a file."""
    at = random.Random(seed).randrange(len(data) + 1)
    piece = noise(seed, 1 + seed % 40)
    match how:
        case "append":
            return data + piece
        case "insert":
            return data[:at] + piece + data[at:]
        case "truncate":
            return data[:at]
        case _:
            return data[:at] + piece + data[at + len(piece) :]


class SyncMachine(RuleBasedStateMachine):
    """The rules. ``number`` arguments pick one of what there is at the moment."""

    def __init__(self) -> None:
        super().__init__()
        self.place: Path | None = None

    @initialize(
        clients=st.integers(1, 3), seed=number, trusting=st.booleans(), corrupt=st.booleans()
    )
    def begin(self, clients: int, seed: int, trusting: bool, corrupt: bool) -> None:
        self.place = new_place()
        self.world = World(self.place, clients, seed, trusting=trusting)
        self.hub = self.world.hub.root
        self.replicas = Replicas(self.world)
        self.saved: Path | None = None
        if corrupt:
            for client in self.world.clients:
                client.transit = Corruption(seed, 0.1)
        disk.write(self.hub, ANCHOR, b"anchor")
        self.publish()

    # --- the hub's tree ----------------------------------------------------------------------

    @rule(at=path, seed=st.integers(0, 5), size=size, then=then)
    def write(self, at: str, seed: int, size: int, then: int | None) -> None:
        disk.write(self.hub, at, noise(seed, size))
        self._then(then)

    @rule(pick=number, how=st.sampled_from(("append", "insert", "truncate", "change")), then=then)
    def edit(self, pick: int, how: str, then: int | None) -> None:
        if files := self._hub_files():
            at = files[pick % len(files)]
            disk.write(self.hub, at, edited((self.hub / at).read_bytes(), how, pick))
        self._then(then)

    @rule(pick=number, to=path, then=then)
    def rename(self, pick: int, to: str, then: int | None) -> None:
        if source := self._movable(pick, to):
            aside = self.hub.parent / "aside"
            (self.hub / source).rename(aside)
            self._arrive(aside, to)
        self._then(then)

    @rule(pick=number, to=path, deletion_first=st.booleans(), moves=few)
    def split_rename(self, pick: int, to: str, deletion_first: bool, moves: int) -> None:
        """The two halves of a rename are published one after the other."""
        source = self._movable(pick, to)
        if not source:
            return
        aside = self.hub.parent / "aside"
        if deletion_first:
            (self.hub / source).rename(aside)
            self.publish()
            self.world.run(moves)
            self._arrive(aside, to)
            self.publish()
        else:
            disk.copy(self.hub / source, aside)
            self._arrive(aside, to)
            self.publish()
            self.world.run(moves)
            disk.clear(self.hub / source)
            self.publish()

    @rule(pick=number, then=then)
    def delete(self, pick: int, then: int | None) -> None:
        if entries := self._hub_entries():
            disk.clear(self.hub / entries[pick % len(entries)])
        self._then(then)

    @rule(at=path, then=then)
    def make_directory(self, at: str, then: int | None) -> None:
        disk.clear(self.hub / at)
        disk.make_parents(self.hub, at)
        (self.hub / at).mkdir()
        self._then(then)

    @rule(at=path, to=st.sampled_from(("a", "nowhere", "../outside", "d")), then=then)
    def make_symlink(self, at: str, to: str, then: int | None) -> None:
        disk.clear(self.hub / at)
        disk.make_parents(self.hub, at)
        (self.hub / at).symlink_to(to)
        disk.touch(self.hub / at)
        self._then(then)

    @rule(pick=number, mode=st.sampled_from((0o400, 0o600, 0o644, 0o755)), then=then)
    def change_mode(self, pick: int, mode: int, then: int | None) -> None:
        if entries := self._hub_entries(links=False):
            (self.hub / entries[pick % len(entries)]).chmod(mode)
        self._then(then)

    @rule(pick=number, then=then)
    def touch(self, pick: int, then: int | None) -> None:
        if entries := self._hub_entries():
            disk.touch(self.hub / entries[pick % len(entries)])
        self._then(then)

    @rule()
    def publish(self) -> None:
        self.world.publish()
        self.replicas.published()

    # --- time and faults ---------------------------------------------------------------------

    @rule(moves=st.integers(1, 150))
    def run(self, moves: int) -> None:
        self.world.run(moves)

    @rule(who=number)
    def cut(self, who: int) -> None:
        self._client(who).cut()

    @rule(who=number)
    def audit(self, who: int) -> None:
        self._client(who).audit()

    @rule(who=number)
    def restart_client(self, who: int) -> None:
        self._client(who).restart()

    @rule(who=number, step=st.sampled_from(STEPS), passings=st.integers(0, 3), moves=few)
    def crash_client(self, who: int, step: str, passings: int, moves: int) -> None:
        """When a commit has passed the step that many times, now or later."""
        self._client(who).crash(step, passings)
        self.world.run(moves)

    @rule(who=number, pick=number, step=st.sampled_from(STEPS[3:]), moves=st.integers(40, 150))
    def crash_over_edit(self, who: int, pick: int, step: str, moves: int) -> None:
        """In the commit that replaces a local edit, perhaps."""
        client = self._client(who)
        self.replicas.edit(client, pick, "insert")
        client.audit()
        client.crash(step)
        self.world.run(moves)

    @rule()
    def restart_hub(self) -> None:
        self.world.restart_hub()

    @rule()
    def forget_hub_state(self) -> None:
        self.world.restart_hub(shutil.rmtree)

    @rule()
    def save_hub_state(self) -> None:
        assert self.place is not None
        self.saved = self.place / "saved"
        disk.clear(self.saved)
        self.world.restart_hub(lambda state: shutil.copytree(state, self.saved) and None)

    @precondition(lambda self: self.saved is not None)
    @rule()
    def restore_hub_state(self) -> None:
        assert self.saved is not None
        self.world.restart_hub(restart_from(self.saved))

    @rule(at=path, size=size, moves=st.integers(20, 80))
    def go_back(self, at: str, size: int, moves: int) -> None:
        """The hub's state is as it was before a change that clients have heard of."""
        self.save_hub_state()
        disk.write(self.hub, at, noise(moves, size))
        self.publish()
        self.world.run(moves)
        disk.clear(self.hub / at)
        self.restore_hub_state()
        self.publish()

    @rule(at=path, size=size)
    def go_back_at_once(self, at: str, size: int) -> None:
        """The same, while a client has that change and not yet the position behind it."""
        self.save_hub_state()
        self.world.run(60)
        disk.write(self.hub, at, noise(size, size))
        self.publish()
        for _ in range(60):
            self.world.run(1)
            if any(client.workbench.ahead for client in self.world.clients):
                break
        disk.clear(self.hub / at)
        self.restore_hub_state()
        self.publish()

    @rule(who=number, name=number, moves=st.integers(20, 60))
    def change_during_prune(self, who: int, name: int, moves: int) -> None:
        """Something new appears while a client works out what a snapshot did not name."""
        client = self._client(who)
        self.forget_hub_state()
        self.publish()
        for _ in range(60):
            self.world.run(1)
            for pending in client.pending:
                if isinstance(pending.effect, Prune):
                    pending.wait = SLOWEST
                    self.make_symlink(f"new {name}", "nowhere", moves)
                    return

    # --- people at work in a replica ---------------------------------------------------------

    @rule(who=number, pick=number, how=st.sampled_from(("append", "insert", "truncate", "change")))
    def edit_locally(self, who: int, pick: int, how: str) -> None:
        self.replicas.edit(self._client(who), pick, how)

    @rule(who=number, pick=number)
    def revert_locally(self, who: int, pick: int) -> None:
        """Put back what the hub once published there."""
        self.replicas.revert(self._client(who), pick)

    @rule(who=number, at=st.sampled_from((*FOREIGN, *PATHS)))
    def create_locally(self, who: int, at: str) -> None:
        self.replicas.create(self._client(who), at)

    @rule(who=number, pick=number)
    def delete_locally(self, who: int, pick: int) -> None:
        self.replicas.delete(self._client(who), pick)

    @rule(who=number, pick=number, step=st.sampled_from(STEPS), moves=few)
    def edit_during_commit(self, who: int, pick: int, step: str, moves: int) -> None:
        client = self._client(who)

        def edit(name: str) -> None:
            if name == step:
                client.on_step = lambda _: None
                self.replicas.edit(client, pick, "insert")

        client.on_step = edit
        self.world.run(moves)

    @rule(who=number, pick=number)
    def edit_during_transfer(self, who: int, pick: int) -> None:
        client = self._client(who)
        for _ in range(60):
            self.world.run(1)
            fetching = [e for e in client.effects if isinstance(e, Match | Put)]
            if fetching:
                self.replicas.edit(client, pick, "insert", fetching[0].change.path)
                return

    # --- what always holds, and what holds in the end ----------------------------------------

    @invariant()
    def every_path_holds_old_or_new_bytes(self) -> None:
        if self.place is not None:
            self.replicas.check()

    def teardown(self) -> None:
        if self.place is None:
            return
        try:
            for client in self.world.clients:
                client.on_step = lambda _: None
                client.transit = lambda messages: messages
            self.world.settle()
            self.replicas.published()
            self.replicas.check()
            self.replicas.check_level()
        finally:
            self.world.close()
            shutil.rmtree(self.place)

    # --- inside ------------------------------------------------------------------------------

    def _then(self, moves: int | None) -> None:
        if moves is not None:
            self.publish()
            self.world.run(moves)

    def _client(self, who: int):
        return self.world.clients[who % len(self.world.clients)]

    def _hub_entries(self, links: bool = True) -> list[str]:
        return [
            name
            for name, entry in disk.walk(self.hub)
            if name != ANCHOR and (links or not entry.is_symlink())
        ]

    def _hub_files(self) -> list[str]:
        return [name for name in disk.contents(self.hub) if name != ANCHOR]

    def _movable(self, pick: int, to: str) -> str:
        """Something that can be renamed to ``to``."""
        beside = [
            name
            for name in self._hub_entries()
            if name not in (to, *paths_above(to)) and to not in paths_above(name)
        ]
        return beside[pick % len(beside)] if beside else ""

    def _arrive(self, aside: Path, to: str) -> None:
        disk.clear(self.hub / to)
        disk.make_parents(self.hub, to)
        aside.rename(self.hub / to)


def paths_above(path: str) -> list[str]:
    """The directories that a path is in."""
    return [str(parent) for parent in Path(path).parents][:-1]
