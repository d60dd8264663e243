"""A hub and two clients on two releases of a real tree, and the latency of single edits.

    python benchmarks/releases.py OLD NEW [--edits 40]

OLD and NEW are directories. The hub publishes a copy of OLD, two clients follow it; then the hub's
tree becomes NEW (files are written anew where they differ, others appear or go). Compared byte by
byte at the end. Bytes are what the clients' own summaries count: content fetched, and frames both
ways. Latency is from the end of a 1 KiB write in a 10 MB file until all clients' files show it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import shutil
import statistics
import sys
import tempfile
import time
from asyncio.subprocess import PIPE, Process
from pathlib import Path

from pyzsync_daemon.demo.trees import differ, measure, walk

PATIENCE = 600.0  # seconds for the trees to become equal
CLIENTS = 2
EDITED = "edited.bin"
EDITED_SIZE = 10_000_000


async def start(folder: Path, *arguments: str) -> Process:
    """Start a daemon; its log goes beside its root."""
    with (folder / f"{arguments[1].rpartition('/')[2]}.log").open("wb") as log:
        return await asyncio.create_subprocess_exec(
            sys.executable, "-m", "pyzsync_daemon", *arguments, stdout=PIPE, stderr=log
        )


async def equal(hub: Path, replicas: list[Path]) -> float:
    """Wait until all replicas equal the hub's tree; seconds."""
    began = time.monotonic()
    for replica in replicas:
        suspect = ""
        while (found := differ(hub, replica, suspect)) is not None:
            suspect = found.path
            if time.monotonic() - began > PATIENCE:
                raise SystemExit(f"not equal after {PATIENCE} s: {found}")
            await asyncio.sleep(0.02)
    return time.monotonic() - began


def become(root: Path, new: Path) -> int:
    """Make ``root`` equal ``new``; returns the bytes of the files that were written."""
    old_paths, new_paths = set(walk(root)), set(walk(new))
    for path in sorted(old_paths - new_paths - {EDITED}, reverse=True):
        target = root / path
        target.rmdir() if target.is_dir() and not target.is_symlink() else target.unlink()
    written = 0
    for path in sorted(new_paths):
        source, target = new / path, root / path
        if source.is_symlink():
            if not target.is_symlink() or target.readlink() != source.readlink():
                target.unlink(missing_ok=True)
                target.symlink_to(source.readlink())
        elif source.is_dir():
            target.mkdir(exist_ok=True)
            target.chmod(source.stat().st_mode & 0o777)
        elif not target.is_file() or source.read_bytes() != target.read_bytes():
            written += source.stat().st_size
            shutil.copyfile(source, target)
            target.chmod(source.stat().st_mode & 0o777)
        else:
            target.chmod(source.stat().st_mode & 0o777)
    return written


async def latencies(hub: Path, replicas: list[Path], edits: int) -> list[float]:
    """Seconds from the end of each write until the last replica shows it."""
    rng, path = random.Random(1), hub / EDITED
    times = []
    for _ in range(edits):
        offset, data = rng.randrange(EDITED_SIZE - 1024), rng.randbytes(1024)
        with path.open("r+b") as file:
            file.seek(offset)
            file.write(data)
        written = time.monotonic()
        for replica in replicas:
            while not _shows(replica / EDITED, offset, data):
                await asyncio.sleep(0.0005)
        times.append(time.monotonic() - written)
        await asyncio.sleep(rng.uniform(0.3, 0.6))  # edits of a person, not a stream of writes
    return times


def _shows(path: Path, offset: int, data: bytes) -> bool:
    try:
        with path.open("rb") as file:
            return os.pread(file.fileno(), len(data), offset) == data
    except FileNotFoundError:
        return False


async def run(old: Path, new: Path, edits: int) -> dict[str, object]:
    """The whole measurement; what it found, by name."""
    with tempfile.TemporaryDirectory(prefix="pyzsync-releases-") as name:
        base = Path(name)
        root, replicas = base / "hub", [base / f"client{n}" for n in range(CLIENTS)]
        shutil.copytree(old, root, symlinks=True)
        hub = await start(base, "hub", str(root), "--listen", "127.0.0.1:0")
        assert hub.stdout is not None
        url = (await hub.stdout.readline()).decode().split()[-1]
        clients = [
            await start(base, "client", str(replica), "--hub", url, "--json")
            for replica in replicas
        ]
        first = await equal(root, replicas)
        files, size = measure(root)
        written = become(root, new)
        update = await equal(root, replicas)
        after = await stop(clients)
        # New clients for the latency, so that the summaries before are of the releases alone.
        (root / EDITED).write_bytes(random.Random(0).randbytes(EDITED_SIZE))
        clients = [await start(base, "client", str(replica), "--hub", url) for replica in replicas]
        await equal(root, replicas)
        times = await latencies(root, replicas, edits)
        await equal(root, replicas)
        await stop([*clients, hub])
    return {
        "files": files,
        "old_bytes": size,
        "first_copy_s": round(first, 2),
        "bytes_of_changed_files": written,
        "update_s": round(update, 2),
        "fetched_per_client_less_first_copy": [one["fetched"] - size for one in after],
        "summaries": after,
        "latency_ms": {
            "p50": round(statistics.median(times) * 1000, 1),
            "p99": round(sorted(times)[min(len(times) - 1, int(len(times) * 0.99))] * 1000, 1),
            "edits": len(times),
        },
    }


async def stop(daemons: list[Process]) -> list[dict[str, int]]:
    """SIGTERM; every daemon has to end with 0. Returns the summaries that were printed."""
    summaries = []
    for daemon in daemons:
        daemon.terminate()
        out, _ = await daemon.communicate()
        if daemon.returncode != 0:
            raise SystemExit(f"a daemon ended with {daemon.returncode}")
        if out.startswith(b"{"):
            summaries.append(json.loads(out))
    return summaries


def main() -> None:
    """Parse the command line, run, print JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("old", type=Path)
    parser.add_argument("new", type=Path)
    parser.add_argument("--edits", type=int, default=40)
    options = parser.parse_args()
    print(json.dumps(asyncio.run(run(options.old, options.new, options.edits)), indent=2))


if __name__ == "__main__":
    main()
