"""Runs contenders in turns, so that a noisy machine is noisy for all of them; keeps medians."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

ROUNDS = 5
"""Runs of what is short."""

LAUNCH = Path(__file__).with_name("launch.py")


class Failed(Exception):
    """``command`` ended with ``code``; ``output`` is the end of what it said."""

    def __init__(self, command: Sequence[str], code: int, output: str) -> None:
        super().__init__(command, code, output)
        self.command = command
        self.code = code
        self.output = output

    def __str__(self) -> str:
        return f"{' '.join(self.command)} ended with {self.code}: {self.output}"


@dataclass(frozen=True, slots=True)
class Sample:
    """One run: seconds, CPU seconds of the process, its peak memory, and what else is known.

    ``seconds`` are all included; ``facts`` may have ``work_seconds``, without the process's start.
    """

    seconds: float
    cpu_seconds: float
    peak_bytes: int
    facts: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Contender:
    """What is run. ``before`` makes ready, untimed; ``facts`` reads what it printed, or left.

    ``most`` bounds the runs of what is known to take long; ``env`` is added to the environment.
    """

    name: str
    command: Sequence[str]
    before: Callable[[], None] = lambda: None
    facts: Callable[[str], Mapping[str, float]] = lambda _output: {}
    env: Mapping[str, str] = field(default_factory=dict)
    most: int = ROUNDS


@dataclass(frozen=True, slots=True)
class Result:
    """Medians over ``runs``."""

    name: str
    runs: int
    seconds: float
    cpu_seconds: float
    peak_bytes: int
    facts: Mapping[str, float]


def runs_for(first: float, budget: float, most: int = ROUNDS) -> int:
    """How often to run what took ``first`` seconds: ``most`` times, or as fit ``budget``."""
    return max(1, min(most, int(budget / first) if first > 0 else most))


def compete(contenders: Sequence[Contender], budget: float) -> list[Result]:
    """Run all in turns: in each round those whose runs are not done yet.

    Who fails is named on standard error, and left out.
    """
    samples: dict[str, list[Sample]] = {one.name: [] for one in contenders}
    wanted = {one.name: 1 for one in contenders}
    for turn in range(ROUNDS):
        for one in contenders:
            if turn >= wanted[one.name]:
                continue
            try:
                samples[one.name].append(run(one))
            except Failed as error:
                print(f"left out: {error}", file=sys.stderr)
                wanted[one.name] = 0
                samples[one.name].clear()
            else:
                first = samples[one.name][0].seconds
                wanted[one.name] = runs_for(first, budget, one.most)
    return [summary(name, taken) for name, taken in samples.items() if taken]


def run(one: Contender) -> Sample:
    """One run. Raises ``Failed``."""
    one.before()
    with tempfile.TemporaryDirectory(prefix="benchmark-") as work:
        result = Path(work, "result.json")
        command = [sys.executable, "-I", "-S", str(LAUNCH), str(result), *one.command]
        done = subprocess.run(
            command,
            env={**os.environ, **one.env},
            capture_output=True,
            text=True,
            cwd=LAUNCH.parents[1],
        )
        if done.returncode:
            raise Failed(one.command, done.returncode, (done.stderr or done.stdout)[-400:].strip())
        taken = json.loads(result.read_text())
    return Sample(**taken, facts=one.facts(done.stdout))


def summary(name: str, samples: Sequence[Sample]) -> Result:
    """Medians; of the peaks the largest."""
    names = samples[0].facts.keys()
    return Result(
        name,
        len(samples),
        statistics.median(each.seconds for each in samples),
        statistics.median(each.cpu_seconds for each in samples),
        max(each.peak_bytes for each in samples),
        {key: statistics.median(each.facts[key] for each in samples) for key in names},
    )
