import tomllib
from pathlib import Path

from pyzsync_daemon.hub.publishing import Halted, PublisherSettings

EXAMPLE = Path(__file__).parents[3] / "config.example.toml"


def test_defaults_are_those_of_the_configuration():
    hub = tomllib.loads(EXAMPLE.read_text("utf-8"))["hub"]
    settings = PublisherSettings()
    assert settings.rescan_s == hub["rescan_s"]
    assert settings.settle_s == hub["settle_ms"] / 1000
    assert settings.deletion_share == hub["deletion_share"]
    assert settings.deletion_floor == hub["deletion_floor"]
    assert settings.allow_mass_delete == hub["allow_mass_delete"]


def test_a_halt_gives_its_reason():
    assert str(Halted("the root is gone")) == "the root is gone"
