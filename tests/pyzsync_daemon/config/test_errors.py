import pytest

from pyzsync_daemon.config.errors import ConfigError, Problem, show


@pytest.mark.parametrize(
    ("problem", "sentence"),
    [
        (
            Problem("a.toml", "hub", "requests", "found 0", "1 or more"),
            "a.toml: [hub] requests: found 0; allowed: 1 or more",
        ),
        (Problem("a.toml", what="is not TOML"), "a.toml: is not TOML"),
        (
            Problem("a.toml", key="hb", what="unknown", allowed="x"),
            "a.toml: hb: unknown; allowed: x",
        ),
        (Problem("no hub", allowed="one"), "no hub; allowed: one"),
    ],
)
def test_a_problem_is_one_sentence(problem, sentence):
    assert str(problem) == sentence


def test_an_error_tells_every_problem():
    error = ConfigError(Problem("a", what="b"), Problem("c", what="d"))
    assert str(error) == "a: b\nc: d"
    assert error.problems == (Problem("a", what="b"), Problem("c", what="d"))
    assert error.hint == "every key, its default and its reason: config.example.toml"


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("x", '"x"'),
        (True, "true"),
        ([1, "a"], '[1, "a"]'),
        ("é", '"é"'),
        ({1}, "{1}"),
        ("a" * 100, '"' + "a" * 56 + "..."),
    ],
)
def test_values_are_shown_as_they_are_written(value, shown):
    assert show(value) == shown
