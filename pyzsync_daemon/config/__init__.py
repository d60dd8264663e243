"""Settings of both daemons: one TOML file, the environment, the command line."""

from pyzsync_daemon.config.advice import advice
from pyzsync_daemon.config.errors import ConfigError, Problem
from pyzsync_daemon.config.load import load
from pyzsync_daemon.config.settings import ClientSettings, Config, HubSettings, LogSettings

__all__ = [
    "ClientSettings",
    "Config",
    "ConfigError",
    "HubSettings",
    "LogSettings",
    "Problem",
    "advice",
    "load",
]
