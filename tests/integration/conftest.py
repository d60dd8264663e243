"""What integration tests share: processes that never outlive their test."""

import pytest

from tests.integration.support import Fleet


@pytest.fixture
def fleet(tmp_path):
    """Starts daemons. At the end those that still run are stopped, and have to end well."""
    place = tmp_path / "logs"
    place.mkdir()
    daemons = Fleet(place)
    try:
        yield daemons
        daemons.stop()
    finally:
        daemons.clear()


@pytest.fixture
def root(tmp_path):
    """The directory that a hub publishes."""
    made = tmp_path / "root"
    made.mkdir()
    return made
