import json
import sys

import pytest

from benchmarks.launch import main


@pytest.mark.parametrize(
    ("code", "expected"),
    [("pass", 0), ("import sys; sys.exit(7)", 7), ("import os; os.kill(os.getpid(), 9)", 137)],
)
def test_the_exit_code_is_the_commands(tmp_path, code, expected):
    result = tmp_path / "result"
    assert main(str(result), [sys.executable, "-I", "-S", "-c", code]) == expected
    assert set(json.loads(result.read_text())) == {"seconds", "cpu_seconds", "peak_bytes"}
