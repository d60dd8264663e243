import os
import subprocess
import sys

import pytest

from pyzsync_daemon.loadtest import process


def busy(seconds):
    """A process that has used so much processor time when it prints a line."""
    code = f"""
import sys, time
while time.process_time() < {seconds}: pass
print(time.process_time(), flush=True)
sys.stdin.read()
"""
    return subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def test_the_processor_time_of_another_process_is_what_it_says_itself():
    with busy(0.1) as other:
        told = float(other.stdout.readline())
        assert told <= process.cpu_seconds(other.pid) < told + 0.1
        other.stdin.close()
    with pytest.raises(OSError):
        process.cpu_seconds(other.pid)


def test_children_count_when_they_have_ended():
    before = process.children_cpu_seconds(os.getpid())
    with busy(0.1) as other:
        other.stdout.readline()
        other.stdin.close()
    assert process.children_cpu_seconds(os.getpid()) - before >= 0.09


def test_memory_has_a_peak_that_can_begin_anew():
    pid = os.getpid()
    process.reset_peak(pid)
    held = bytearray(64_000_000)
    assert process.peak_bytes(pid) >= process.memory_bytes(pid) > len(held)
    del held
    process.reset_peak(pid)
    assert process.peak_bytes(pid) - process.memory_bytes(pid) < 32_000_000


def test_a_process_that_has_ended_says_so():
    with busy(0) as other:
        other.stdin.close()
        os.waitid(os.P_PID, other.pid, os.WEXITED | os.WNOWAIT)  # ended, and not yet forgotten
        with pytest.raises(ProcessLookupError, match="has no VmRSS: it has ended"):
            process.memory_bytes(other.pid)
