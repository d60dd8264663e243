"""Runs one command and writes what it took: wall and CPU seconds, and its peak memory.

    python -I -S launch.py RESULT.json COMMAND ...

A process of its own, because Linux counts into a child's peak what its parent held when it was
started: this one is small (a peer's peak below some 10 MB is ours). Standard library only.
"""

from __future__ import annotations

import json
import os
import sys
import time


def main(result: str, command: list[str]) -> int:
    """Run it; returns its exit code, 128 and more for a signal."""
    started = time.perf_counter()
    child = os.posix_spawnp(command[0], command, os.environ)
    _, status, usage = os.wait4(child, 0)
    seconds = time.perf_counter() - started
    taken = {
        "seconds": seconds,
        "cpu_seconds": usage.ru_utime + usage.ru_stime,
        "peak_bytes": usage.ru_maxrss * 1024,
    }
    with open(result, "w", encoding="ascii") as file:
        json.dump(taken, file)
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
