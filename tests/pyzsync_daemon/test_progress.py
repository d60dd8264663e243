import io
import sys

import pytest

from pyzsync_daemon.progress import SMALL, Progress

TOTAL = 10 * SMALL


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def watch(monkeypatch):
    """Called in the test itself: pytest puts its own stderr in place after the fixtures."""
    monkeypatch.setenv("TERM", "xterm")

    def install():
        monkeypatch.setattr(sys, "stderr", Terminal())
        return sys.stderr

    return install


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


def drawings(terminal):
    return terminal.getvalue().count("big.iso")


def test_silent_when_nobody_watches(monkeypatch):
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    with Progress() as progress:
        progress("big.iso", 1, TOTAL)
        progress("big.iso", TOTAL, TOTAL)
    assert stream.getvalue() == ""


def test_small_files_are_over_before_they_can_be_read(watch):
    terminal = watch()
    with Progress() as progress:
        progress("small", 1, SMALL - 1)
        progress("small", SMALL - 1, SMALL - 1)
    assert terminal.getvalue() == ""


def test_a_bar_while_it_goes_on_and_none_afterwards(watch):
    terminal = watch()
    with Progress(clock=Clock()) as progress:
        progress("big.iso", SMALL, TOTAL)
        assert drawings(terminal)
        before = drawings(terminal)
        progress("big.iso", TOTAL, TOTAL)
        assert drawings(terminal) == before
    assert sys.stderr is terminal  # what the bar put in its place is gone


def test_draws_ten_times_a_second_at_most(watch):
    terminal = watch()
    clock = Clock()
    with Progress(clock=clock) as progress:
        progress("big.iso", 0, TOTAL)
        first = drawings(terminal)
        for step in range(50):
            progress("big.iso", step, TOTAL)
        assert drawings(terminal) == first
        clock.now = 0.1
        progress("big.iso", 51, TOTAL)
        assert drawings(terminal) > first


def test_an_end_that_had_no_beginning_is_fine(watch):
    terminal = watch()
    with Progress() as progress:
        progress("big.iso", TOTAL, TOTAL)
    assert drawings(terminal) == 0


def test_names_cannot_steer_the_terminal_and_fit_a_line(watch):
    terminal = watch()
    with Progress() as progress:
        progress("x" * 90 + "\x1b]0;owned\x07[red]", 1, TOTAL)
    shown = terminal.getvalue()
    assert "\x1b]0" not in shown
    assert "?]0;owned?[red]" in shown
    assert "x" * 41 not in shown
