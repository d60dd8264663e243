import io
import json
import logging
import sys

import pytest
import structlog

from pyzsync_daemon import logs
from pyzsync_daemon.config import LogSettings


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture(autouse=True)
def _restore():
    root = logging.getLogger()
    before = root.handlers[:], root.level
    yield
    structlog.reset_defaults()
    root.handlers[:], root.level = before


@pytest.fixture
def stderr(monkeypatch):
    def install(stream):
        monkeypatch.setattr(sys, "stderr", stream)
        return stream

    return install


def apply(**facts):
    given = {"path": "a/b", "kind": "file", "size": 12_345_678, "fetched": 512, "reused": 0}
    logs.applied(**(given | {"ms": 12.345} | facts))


def events(stream):
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_json_where_no_person_reads(stderr):
    stream = stderr(io.StringIO())
    logs.setup(LogSettings())
    apply()
    (event,) = events(stream)
    assert event.pop("timestamp").endswith("Z")
    assert event == {
        "event": "applied",
        "level": "info",
        "path": "a/b",
        "kind": "file",
        "size": 12_345_678,
        "fetched": 512,
        "reused": 0,
        "ms": 12.3,
    }


def test_words_for_people_on_a_terminal(stderr):
    stream = stderr(Terminal())
    logs.setup(LogSettings(format="human"))
    apply(conflict=".pyzsync/conflicts/b")
    line = stream.getvalue()
    assert "\x1b[" in line  # colours
    for words in ("applied", "a/b", "12 MB", "512 B", "0 B", ".pyzsync/conflicts/b"):
        assert words in line


def test_auto_means_the_terminal_decides(stderr):
    stream = stderr(Terminal())
    logs.setup(LogSettings())
    apply()
    with pytest.raises(json.JSONDecodeError):
        events(stream)


def test_human_into_a_file_has_no_colours(stderr):
    stream = stderr(io.StringIO())
    logs.setup(LogSettings(format="human"))
    apply()
    assert "\x1b" not in stream.getvalue()


def test_names_cannot_steer_the_terminal(stderr):
    stream = stderr(io.StringIO())
    logs.setup(LogSettings(format="human"))
    apply(path="a\x1b]0;owned\x07\nb\udcff\x9b")
    line = stream.getvalue()
    assert line.count("\n") == 1
    assert r"a\x1b]0;owned\x07\nb\udcff\x9b" in line
    assert line.rstrip("\n").isprintable()


def test_names_that_are_not_utf8_survive_in_json(stderr):
    stream = stderr(io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True))
    logs.setup(LogSettings(format="json"))
    apply(path="a\udcff")
    assert json.loads(stream.buffer.getvalue())["path"] == "a\udcff"


def test_level(stderr):
    stream = stderr(io.StringIO())
    logs.setup(LogSettings(level="warning"))
    apply()
    structlog.get_logger().warning("told")
    assert [event["event"] for event in events(stream)] == ["told"]


def test_libraries_log_in_the_same_form(stderr):
    stream = stderr(io.StringIO())
    logs.setup(LogSettings())
    logging.getLogger("some.library").warning("%s went away", "it")
    logging.getLogger("websockets.server").info("connection open")  # too much at info
    (event,) = events(stream)
    assert (event["event"], event["logger"], event["level"]) == (
        "it went away",
        "some.library",
        "warning",
    )
    assert "exc_info" not in event


def test_libraries_talk_at_debug(stderr):
    stream = stderr(io.StringIO())
    logs.setup(LogSettings(level="debug"))
    logging.getLogger("websockets.server").debug("connection open")
    assert [event["event"] for event in events(stream)] == ["connection open"]


@pytest.mark.parametrize("form", ["human", "json"])
def test_tracebacks_show_no_values(stderr, form):
    stream = stderr(io.StringIO())
    logs.setup(LogSettings(format=form))
    token = "open-" + "sesame"
    try:
        raise ValueError(len(token))
    except ValueError:
        structlog.get_logger().exception("failed")
    assert "ValueError" in stream.getvalue()
    assert "open-sesame" not in stream.getvalue()


def test_what_stands_for_stderr_now_gets_the_lines(stderr):
    stderr(io.StringIO())
    logs.setup(LogSettings())
    later = stderr(io.StringIO())  # as a progress bar does
    apply()
    assert len(events(later)) == 1


def test_a_reader_that_went_away_does_not_stop_the_daemon(stderr):
    class Broken(io.StringIO):
        def write(self, text):
            raise BrokenPipeError

    stderr(Broken())
    logs.setup(LogSettings())
    apply()
