from structlog.testing import capture_logs

from protocol.messages import Announce, BlockQuery, Coding
from pyzsync_daemon.client.effects import (
    Applied,
    Audit,
    Audited,
    Commit,
    Committed,
    Planned,
    Put,
    Save,
    Saved,
)
from pyzsync_daemon.client.report import LINES, Report, Summary
from tests.pyzsync_daemon.client.values import HUB, file, position


def put(change, size):
    query = BlockQuery(change.version, 0, b"\x00\x01")
    return Put(change, query, Coding.RAW, size, b"", (b"x" * size,))


def test_a_change_in_place_is_one_line_with_the_time_since_it_was_announced():
    change = file("a", size=1000)
    report = Report(lambda *feed: None, "ws://hub")
    report.received(Announce((change,)), now=5.0)
    with capture_logs() as lines:
        applied = Applied(change, fetched=600, reused=400, conflict="aside")
        report.completed(Commit((change,)), Committed((applied,)), now=5.25)
    (line,) = lines
    assert (line["event"], line["path"], line["ms"]) == ("applied", "a", 250.0)
    assert (line["fetched"], line["reused"], line["conflict"]) == (600, 400, "aside")
    assert report.summary == Summary(applied=1, fetched=600, reused=400, conflicts=1)


def test_progress_ends_when_the_file_is_in_place_and_not_before():
    feed = []
    change = file("a", size=1000)
    report = Report(lambda *step: feed.append(step), "ws://hub")
    for _ in range(2):
        report.completed(put(change, 500), Planned(change), now=0.0)
    assert feed == [("a", 500, 1000), ("a", 999, 1000)]
    report.completed(Commit((change,)), Committed((Applied(change),)), now=0.0)
    assert feed[-1] == ("a", 1000, 1000)


def test_a_problem_is_told_once_and_again_when_its_reason_changes():
    report = Report(lambda *feed: None, "ws://hub")
    with capture_logs() as lines:
        for problems in ({"a": "full"}, {"a": "full"}, {"a": "read-only"}, {}, {"a": "full"}):
            report.problems(problems)
    assert [line["reason"] for line in lines] == ["full", "read-only", "full"]


def test_a_disk_that_fails_the_records_is_told():
    report = Report(lambda *feed: None, "ws://hub")
    with capture_logs() as lines:
        report.completed(Save(HUB, position(1)), Saved(position(1), error="full"), now=0.0)
        report.completed(Audit(), Audited((), error="gone"), now=0.0)
        report.completed(Audit(), Audited(()), now=0.0)
    assert [(line["at"], line["reason"]) for line in lines] == [("save", "full"), ("audit", "gone")]


def test_bytes_of_all_connections_are_summed():
    report = Report(lambda *feed: None, "ws://hub")
    report.link_closed(10, 1)
    report.link_closed(20, 2)
    assert (report.summary.received, report.summary.sent) == (30, 3)


def test_many_changes_in_place_are_one_line_but_for_those_that_met_a_local_edit():
    report = Report(lambda *feed: None, "ws://hub")
    changes = [file(str(number), size=100) for number in range(LINES + 1)]
    report.received(Announce((changes[0],)), now=5.0)
    applied = [Applied(each, fetched=60, reused=40) for each in changes]
    applied[1] = Applied(changes[1], fetched=60, reused=40, conflict="aside")
    with capture_logs() as lines:
        report.completed(Commit(tuple(changes)), Committed(tuple(applied)), now=5.25)
    one, many = lines
    assert (one["event"], one["path"], one["conflict"]) == ("applied", "1", "aside")
    assert many == {
        "event": "applied together",
        "log_level": "info",
        "count": LINES + 1,
        "size": 100 * (LINES + 1),
        "fetched": 60 * (LINES + 1),
        "reused": 40 * (LINES + 1),
        "ms": 250.0,
    }
    assert report.summary.applied == LINES + 1
    assert report.summary.conflicts == 1
