"""What integration tests share: processes that never outlive their test."""

import pytest

pytest.register_assert_rewrite("tests.integration.bench", "tests.integration.support")

from tests.integration.support import Fleet  # noqa: E402 - after it is to be rewritten
from tests.integration.zygote import Zygote  # noqa: E402


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


@pytest.fixture(scope="module")
def zygotes():
    """Two processes that fork: one for hubs, one for clients."""
    made = (Zygote(), Zygote())
    yield made
    for each in made:
        each.close()
