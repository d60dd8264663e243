"""What a process has used, as Linux tells it: processor time and memory."""

from __future__ import annotations

import re
import time
from pathlib import Path


def cpu_seconds(pid: int) -> float:
    """Processor time of all its threads, in nanoseconds' steps (/proc counts in 10 ms)."""
    # The clock of another process, as the kernel numbers it: clock_getcpuclockid(3).
    return time.clock_gettime((~pid << 3) | 2)


def children_cpu_seconds(pid: int) -> float:
    """Processor time of its children that have ended and were waited for; steps of 10 ms."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[13]) + int(fields[14])) / 100  # cutime and cstime


def memory_bytes(pid: int) -> int:
    """What it has in memory now."""
    return _kilobytes(pid, "VmRSS") * 1024


def peak_bytes(pid: int) -> int:
    """The most that it had in memory, since its start or ``reset_peak``."""
    return _kilobytes(pid, "VmHWM") * 1024


def reset_peak(pid: int) -> None:
    """Let the peak begin anew."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")


def _kilobytes(pid: int, key: str) -> int:
    text = Path(f"/proc/{pid}/status").read_text()
    found = re.search(rf"^{key}:\s+(\d+) kB", text, re.MULTILINE)
    if found is None:
        raise ProcessLookupError(f"process {pid} has no {key}: it has ended")
    return int(found[1])
