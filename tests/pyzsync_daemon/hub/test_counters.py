from dataclasses import asdict, fields, replace

import structlog

from pyzsync_daemon.hub.counters import Counters


def test_the_line_has_exactly_the_counters():
    names = [field.name for field in fields(Counters)]
    counters = Counters(**{name: number for number, name in enumerate(names)})
    with structlog.testing.capture_logs() as lines:
        counters.log()
        replace(counters, clients=1000).log()
    first, second = ({**line} for line in lines)
    assert first == {"event": "counters", "log_level": "info", **asdict(counters)}
    assert second["clients"] == 1000
