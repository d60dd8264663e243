from structlog.testing import capture_logs

from protocol.messages import Change, Kind, Position
from pyzsync_daemon.hub.publishing import State, Status
from pyzsync_daemon.hub.records import Batch
from pyzsync_daemon.hub.report import Report

HERE = Position(bytes(16), 1, bytes(32))
BATCH = Batch((Change(1, "a", Kind.FILE, size=7, version=bytes(32)),), HERE, HERE)


def status(report):
    return report.status(watching=True, entries=3, hashing=["big"])


def test_a_line_for_each_change_once_the_tree_is_known():
    report = Report()
    with capture_logs() as logs:
        report.announced(BATCH, 0.5)
        report.live(1, 2.0)
        report.announced(BATCH, 0.0123)
    line = {"event": "announced", "path": "a", "kind": "file", "size": 7}
    assert logs == [
        line | {"log_level": "debug", "ms": 500.0},
        {"event": "tree announced", "log_level": "info", "entries": 1, "seconds": 2.0},
        line | {"log_level": "info", "ms": 12.3},
    ]


def test_problems_are_said_once_and_end_with_an_announcement():
    report = Report()
    with capture_logs() as logs:
        for _ in range(3):
            report.problem("a", "why")
        report.problem("b", "other")
    assert [entry["path"] for entry in logs] == ["a", "b"]
    assert status(report).problems == {"a": "why", "b": "other"}
    report.announced(BATCH, 0.0)
    assert status(report).problems == {"b": "other"}
    report.only({"c"})
    assert status(report).problems == {}


def test_a_halt_is_said_once_and_ends():
    report = Report()
    report.live(1, 0.0)
    with capture_logs() as logs:
        report.halted("gone")
        report.halted("gone")
    assert logs == [{"event": "halted", "log_level": "error", "reason": "gone"}]
    assert status(report) == Status(State.HALTED, "gone", True, 3, ("big",), {})
    report.resuming()
    assert (status(report).state, status(report).reason) == (State.STARTING, "")
    report.live(1, 0.0)
    assert status(report).state is State.LIVE


def test_the_reading_of_a_tree_is_told_while_it_lasts():
    report = Report()
    with capture_logs() as logs:
        report.reading(0, ())
        report.first_scan_over(0)
        report.first_scan_over(2)
        report.live(3, 1.0)
        report.reading(3, ())
    assert [line["event"] for line in logs] == [
        "reading the tree",
        "served without paths that cannot be read",
        "tree announced",
    ]
