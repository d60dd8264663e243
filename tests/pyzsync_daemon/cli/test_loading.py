import pytest
from typer.testing import CliRunner

from pyzsync_daemon.cli import loading
from pyzsync_daemon.cli.app import app
from pyzsync_daemon.cli.loading import kinds_of, load_test
from pyzsync_daemon.loadtest.changes import KINDS
from pyzsync_daemon.loadtest.options import HERDS, BadOptions, Options


@pytest.fixture
def ran(monkeypatch):
    """The options of the load tests that were run."""
    options = []
    monkeypatch.setattr(loading, "run_load_test", options.append)
    return options


def typed(*arguments):
    result = CliRunner().invoke(app, ["loadtest", *arguments])
    assert result.exception is None, result.output
    return result


def test_without_options_a_hundred_clients_get_three_edits(ran):
    typed()
    assert ran == [Options(clients=100, file_size=1_000_000)]


def test_amounts_and_kinds_are_read(ran):
    typed("--change", "edit", "--change", "herds", "--file-size", "2 MiB", "--fair", "1GB")
    [options] = ran
    assert options.changes == ("edit", *HERDS)
    assert (options.file_size, options.fair) == (2 * 2**20, 10**9)


def test_all_stands_for_every_kind():
    assert kinds_of(["all"]) == tuple(KINDS)
    assert kinds_of(["burst", "tidy"]) == ("burst", "tidy")


def test_an_amount_that_is_none_is_named():
    amounts = {"file_size": "1 MB", "change_size": "much", "fair": "0"}
    with pytest.raises(BadOptions, match="--change-size: 'much' is not an amount of bytes"):
        load_test(["edit"], amounts)


def test_the_help_teaches():
    text = " ".join(typed("--help").output.replace("│", " ").split())
    assert "Times count from the last write on the hub to the verified replacement" in text
    for kind in (*KINDS, *HERDS):
        assert kind in text
