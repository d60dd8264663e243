import json
from dataclasses import asdict, fields, replace

import pytest

from pyzsync_daemon.hub.counters import Counters
from pyzsync_daemon.loadtest.counters import GAUGES, between, parse

NAMES = [field.name for field in fields(Counters)]
COUNTERS = Counters(**{name: number for number, name in enumerate(NAMES, 10)})


def line_of(event="counters", **facts):
    return json.dumps({**facts, "event": event, "level": "info", "timestamp": "now"})


def test_a_line_is_read():
    assert parse(line_of(**asdict(COUNTERS))) == COUNTERS


@pytest.mark.parametrize(
    "line", ["", "12:00 counters", line_of("announced", path="counters"), "{}"]
)
def test_other_lines_are_not_counters(line):
    assert parse(line) is None


def test_a_line_that_lacks_some_is_an_error():
    facts = asdict(COUNTERS) | {"reads": "many"}
    del facts["encodes"]
    with pytest.raises(ValueError, match="the hub's counters lack reads, encodes"):
        parse(line_of(**facts))


def test_between_two_lines_counts_grow_and_gauges_are_the_last():
    after = replace(COUNTERS, reads=COUNTERS.reads + 7, behind=2)
    told = asdict(between(COUNTERS, after))
    assert told.pop("reads") == 7
    assert {name: told[name] for name in GAUGES} == {name: getattr(after, name) for name in GAUGES}
    assert {told[name] for name in told.keys() - GAUGES} == {0}
