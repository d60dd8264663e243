"""What is known of replicas from outside: what the hub published where, and what people wrote.

All local content is unlike any other, so that it is found again wherever it was put.
"""

from __future__ import annotations

import os
import re
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

from tests.simulation import disk
from tests.simulation.world import ClientSide, World

STAMP = re.compile(r"\.\d{8}T\d{6}Z-\d+$")


@dataclass(slots=True)
class People:
    """What was done by hand in one replica."""

    wrote: dict[str, set[bytes]] = field(default_factory=lambda: defaultdict(set))
    must_keep: dict[str, set[bytes]] = field(default_factory=lambda: defaultdict(set))
    created: set[str] = field(default_factory=set)
    touched: set[str] = field(default_factory=set)  # paths, and the directories they are in


class Replicas:
    """Watches all replicas of a world, and acts as the people who work in them."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._files: dict[str, set[bytes]] = defaultdict(set)
        self._links: dict[str, set[str]] = defaultdict(set)
        self._people = {id(client): People() for client in world.clients}
        self._edits = 0

    def published(self) -> None:
        """The hub has published what is on its disk."""
        root = self._world.hub.root
        for path, content in disk.contents(root).items():
            self._files[path].add(content)
        for path, entry in disk.walk(root):
            if entry.is_symlink():
                self._links[path].add(os.fspath(entry.readlink()))

    # --- people --------------------------------------------------------------------------------

    def edit(self, client: ClientSide, pick: int, how: str, path: str = "") -> None:
        """Change a file as a program would that opens it for writing, or that replaces it."""
        files = disk.contents(client.root)
        if not path and files:
            path = sorted(files)[pick % len(files)]
        if path not in files:
            return
        data, stamp = files[path], self._stamp()
        at = pick % (len(data) + 1)
        match how:
            case "append":
                data += stamp
            case "truncate":
                data = data[:at] + stamp
            case "insert":
                data = data[:at] + stamp + data[at:]
            case _:
                data = data[:at] + stamp + data[at + len(stamp) :]
        self._write(client, path, data, in_place=bool(pick % 2))

    def revert(self, client: ClientSide, pick: int) -> None:
        """Put an old version of the hub's back."""
        files = [path for path in disk.contents(client.root) if self._files[path]]
        if files:
            path = files[pick % len(files)]
            old = sorted(self._files[path])
            self._write(client, path, old[pick % len(old)], in_place=False)

    def create(self, client: ClientSide, path: str) -> None:
        """A new file where nothing is."""
        target = client.root / path
        above = [client.root / parent for parent in Path(path).parents]
        blocked = any(each.is_symlink() or (each.exists() and not each.is_dir()) for each in above)
        if blocked or target.is_symlink() or target.exists():
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        people = self._people[id(client)]
        people.created.add(path)
        self._write(client, path, self._stamp() * 30, in_place=True)

    def delete(self, client: ClientSide, pick: int) -> None:
        """Delete anything: a directory with all that is in it."""
        entries = [path for path, _ in disk.walk(client.root)]
        if not entries:
            return
        path = entries[pick % len(entries)]
        people = self._people[id(client)]
        for kept in list(people.must_keep):
            if kept == path or kept.startswith(f"{path}/"):
                people.must_keep[kept] &= set(disk.kept_aside(client.root).values())
        disk.clear(client.root / path)
        self._touch(people, path)

    def _write(self, client: ClientSide, path: str, data: bytes, *, in_place: bool) -> None:
        people, target = self._people[id(client)], client.root / path
        # What he overwrites himself is his own affair, unless it was kept aside before.
        people.must_keep[path] &= set(disk.kept_aside(client.root).values())
        if in_place:
            with target.open("r+b" if target.exists() else "wb") as file:
                file.write(data)
                file.truncate()
        else:
            new = client.root.parent / "new"
            new.write_bytes(data)
            new.rename(target)
        disk.touch(target)
        people.wrote[path].add(data)
        people.must_keep[path].add(data)
        self._touch(people, path)

    def _touch(self, people: People, path: str) -> None:
        people.touched.update((path, *(str(parent) for parent in Path(path).parents)))

    def _stamp(self) -> bytes:
        self._edits += 1
        return b"<local edit %06d>" % self._edits

    # --- what always holds ---------------------------------------------------------------------

    def check(self) -> None:
        """Every path holds what the hub once had there, or what somebody wrote there; and nothing
        that somebody wrote is lost."""
        for client in self._world.clients:
            people, files = self._people[id(client)], disk.contents(client.root)
            for path, content in files.items():
                known = content in self._files[path] or content in people.wrote[path]
                assert known, f"{path!r} of {client.root.name} holds what nobody wrote there"
            for path, entry in disk.walk(client.root):
                if entry.is_symlink():
                    assert os.fspath(entry.readlink()) in self._links[path], path
            aside = set(disk.kept_aside(client.root).values())
            for path, written in people.must_keep.items():
                lost = written - aside - self._files[path] - {files.get(path, b"")}
                assert not lost, f"{path!r} of {client.root.name}: lost {sorted(lost)}"

    # --- what holds in the end -----------------------------------------------------------------

    def check_level(self) -> None:
        """Every replica is as the hub, but for what people put there; every copy is explained."""
        published = disk.tree_of(self._world.hub.root)
        for client in self._world.clients:
            people, mine = self._people[id(client)], disk.tree_of(client.root)
            for path, entry in published.items():
                here = mine.pop(path, None)
                if entry[0] == "directory" and path in people.touched and here is not None:
                    here, entry = here[:2], entry[:2]  # a file of his own moved the time
                assert here == entry, f"{path!r} of {client.root.name}: {here} is not {entry}"
            for path, entry in mine.items():
                theirs = people.created if entry[0] == "file" else people.touched
                assert path in theirs, f"{path!r} of {client.root.name} is too much: {entry}"
            self._check_conflicts(client, people)

    def _check_conflicts(self, client: ClientSide, people: People) -> None:
        """What was kept aside is, or holds, something that somebody wrote."""
        wrote = set().union(*people.wrote.values())
        for path, content in disk.kept_aside(client.root).items():
            parts = path.split("/")
            depth = next(n for n, part in enumerate(parts, 1) if STAMP.search(part))
            origin = STAMP.sub("", "/".join(parts[:depth]))
            whole = depth < len(parts)  # a directory went aside with all that was in it
            explained = content in wrote or (whole and origin in people.touched)
            assert explained, f"{path!r} of {client.root.name} has no local edit that explains it"
