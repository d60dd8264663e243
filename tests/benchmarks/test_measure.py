import sys

import pytest

from benchmarks.measure import ROUNDS, Contender, Failed, Sample, compete, run, runs_for, summary


def python(name, code, **more):
    return Contender(name, [sys.executable, "-I", "-S", "-c", code], **more)


@pytest.mark.parametrize(
    ("first", "budget", "most", "runs"),
    [
        (0.1, 25, ROUNDS, ROUNDS),
        (4, 25, ROUNDS, ROUNDS),
        (8, 25, ROUNDS, 3),
        (60, 25, ROUNDS, 1),
        (0.1, 25, 2, 2),
        (0, 25, ROUNDS, ROUNDS),
    ],
)
def test_what_takes_long_is_run_less_often(first, budget, most, runs):
    assert runs_for(first, budget, most) == runs


def test_medians_and_the_largest_peak():
    samples = [Sample(seconds, 1, seconds * 10, {"bytes": seconds}) for seconds in (3, 1, 2)]
    found = summary("one", samples)
    assert (found.seconds, found.peak_bytes, found.facts, found.runs) == (2, 30, {"bytes": 2}, 3)


def test_a_run_tells_time_and_memory_and_what_was_printed():
    code = "data = bytearray(64 << 20); print(len(data) + sum(range(100_000)) * 0)"
    sample = run(python("one", code, facts=lambda output: {"length": int(output)}))
    assert sample.facts == {"length": 64 << 20}
    assert 64 << 20 < sample.peak_bytes < 200 << 20
    assert sample.cpu_seconds > 0
    assert sample.seconds > 0


def test_what_this_process_holds_is_not_counted():
    held = bytearray(b"x") * (300 << 20)
    assert run(python("one", "pass")).peak_bytes < len(held) // 2


def test_a_failure_names_command_code_and_output():
    with pytest.raises(Failed, match="ended with 3: no luck") as caught:
        run(python("one", "import sys; print('no luck', file=sys.stderr); sys.exit(3)"))
    assert caught.value.code == 3


def test_turns_alternate(tmp_path):
    order = []
    contenders = [
        python(name, "pass", before=lambda name=name: order.append(name), most=most)
        for name, most in (("a", 3), ("b", 2))
    ]
    results = compete(contenders, 1e9)
    assert order == ["a", "b", "a", "b", "a"]
    assert [(each.name, each.runs) for each in results] == [("a", 3), ("b", 2)]


def test_who_fails_is_named_and_left_out(capsys):
    results = compete([python("bad", "raise SystemExit(1)"), python("good", "pass", most=1)], 1)
    assert [each.name for each in results] == ["good"]
    assert "left out" in capsys.readouterr().err
