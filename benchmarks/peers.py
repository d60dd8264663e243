"""The peers: which are installed, and how each is asked to do what ours does.

``make bench-setup`` installs them. Who is not there is named, and left out.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.measure import Contender

OTHER = Path(__file__).parents[1] / ".peer-venv"
"""Where the unrelated PyPI package named pyzsync lives: never beside ours."""

TOOLS = ("rsync", "zsync", "zsyncmake", "rdiff", "xdelta3", "zstd", "nginx")

SLOW = 2  # runs of what takes half a minute on a gigabyte


@dataclass(frozen=True, slots=True)
class Peers:
    """``tools`` that were found, by name; ``other``: the interpreter that has the PyPI package."""

    tools: Mapping[str, str]
    other: str

    @property
    def missing(self) -> list[str]:
        """Who is not installed."""
        lost = [name for name in TOOLS if name not in self.tools]
        return lost if self.other else [*lost, "pyzsync 1.5.4"]

    def has(self, *names: str) -> bool:
        """Are all of these installed?"""
        return all(name in self.tools for name in names)


def find() -> Peers:
    """Look for them. Servers are in sbin, which not every PATH has."""
    path = "/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin"
    found = {name: shutil.which(name) or shutil.which(name, path=path) for name in TOOLS}
    other = OTHER / "bin/python"
    tools = {name: place for name, place in found.items() if place}
    return Peers(tools, str(other) if other.exists() else "")


def size_of(path: Path) -> Callable[[str], Mapping[str, float]]:
    """Facts: the bytes of the file that the command wrote."""
    return lambda _output: {"bytes": path.stat().st_size}


def rsync_bytes(output: str) -> Mapping[str, float]:
    """Facts of ``rsync --stats``: bytes of both directions."""
    found = re.findall(r"Total bytes (?:sent|received): ([\d,]+)", output)
    return {"bytes": sum(int(number.replace(",", "")) for number in found)}


def hashing(peers: Peers, new: Path, work: Path) -> list[Contender]:
    """Who makes a hashlist of a file."""
    signature, listed = work / "signature", work / "new.zsync"
    found = []
    if peers.has("rdiff"):
        command = [peers.tools["rdiff"], "-f", "signature", str(new), str(signature)]
        found.append(Contender("rdiff signature", command))
    if peers.has("zsyncmake"):
        command = [peers.tools["zsyncmake"], "-u", "new", "-o", str(listed), str(new)]
        found.append(Contender("zsyncmake", command))
    if peers.other:
        linked = work / "linked"  # its output goes beside its input
        linked.unlink(missing_ok=True)
        linked.symlink_to(new)
        command = [peers.other, "-I", "-m", "pyzsync", "zsyncmake", str(linked)]
        found.append(Contender("pyzsync 1.5.4 zsyncmake", command))
    return found


def searching(peers: Peers, old: Path, new: Path, work: Path) -> list[Contender]:
    """Who finds old blocks, file to file."""
    found = []
    if peers.has("rdiff"):
        delta = work / "delta"
        command = [peers.tools["rdiff"], "-f", "delta", str(work / "old.signature"), str(new)]
        found.append(Contender("rdiff delta", [*command, str(delta)], most=3))
    if peers.other:
        command = [peers.other, "-I", "-m", "pyzsync", "compare", str(old), str(new)]
        found.append(Contender("pyzsync 1.5.4 compare", command, most=1))
    return found


def deltas(peers: Peers, old: Path, new: Path, work: Path) -> list[Contender]:
    """Who makes a delta where both versions are in one place."""
    found = []
    for name, command in (
        ("zstd", ["-q", "-f", "-3", "--long=31", f"--patch-from={old}", str(new), "-o"]),
        ("xdelta3", ["-e", "-f", "-B", str(_window(old)), "-s", str(old), str(new)]),
    ):
        if peers.has(name):
            written = work / f"{name}.delta"
            label = "zstd -3 --patch-from" if name == "zstd" else "xdelta3"
            line = [peers.tools[name], *command, str(written)]
            found.append(Contender(label, line, facts=size_of(written), most=1))
    return found


def _window(old: Path) -> int:
    """Bytes of the source that xdelta3 may refer to: all of it, in a power of two up to 2 GiB."""
    return min(1 << (old.stat().st_size - 1).bit_length(), 1 << 31)


def rsyncs(peers: Peers, url: str, old: Path, work: Path) -> list[Contender]:
    """rsync from a daemon, at the block sizes that are worth it."""
    if not peers.has("rsync"):
        return []
    mine = work / "new"

    def begin() -> None:
        shutil.copyfile(old, mine)

    ways: tuple[tuple[str, list[str]], ...] = (
        ("rsync", []),
        ("rsync -z", ["-z"]),
        ("rsync -z -B 1024", ["-z", "-B", "1024"]),
    )
    return [
        Contender(
            name,
            [peers.tools["rsync"], "--stats", "-I", *options, f"{url}/new", str(mine)],
            begin,
            rsync_bytes,
            most=SLOW,
        )
        for name, options in ways
    ]


def zsyncs(
    peers: Peers, url: str, old: Path, work: Path, travelled: Callable[[], int]
) -> list[Contender]:
    """zsync over HTTP; the hashlist is fetched with the rest."""
    if not peers.has("zsync", "nginx"):
        return []
    mine = work / "zsynced"
    command = [peers.tools["zsync"], "-q", "-i", str(old), "-o", str(mine), f"{url}/new.zsync"]

    def facts(_output: str) -> Mapping[str, float]:
        return {"bytes": travelled()}

    return [Contender("zsync", command, lambda: mine.unlink(missing_ok=True), facts, most=SLOW)]
