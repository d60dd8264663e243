"""The three tables, as frozen values. Every key with its reason: ``config.example.toml``."""

from __future__ import annotations

from pathlib import Path
from typing import Final, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, SecretStr, model_validator
from pydantic_core import PydanticCustomError

from protocol.paths import RESERVED
from pyzsync_daemon.config.secrets import read_token
from pyzsync_daemon.config.values import (
    Conflict,
    Count,
    HubUrl,
    LevelName,
    Lines,
    Listen,
    LogFormat,
    Many,
    OptionalPath,
    RootPath,
    Seconds,
    Secret,
    Share,
    Size,
    Switch,
    Text,
    Wait,
    is_loopback,
    split_address,
)

__all__ = ["ClientSettings", "Config", "HubSettings", "LogSettings"]

MIB: Final = 1024 * 1024
OUTSIDE: Final = f"a place outside of the root, like /etc/pyzsync, or {RESERVED} in the root"
"""Where to put what must not be published."""
SECRETS: Final = ("token_file", "tls_key", "tls_cert", "tls_ca")


def _wrong(key: str, what: str, allowed: str) -> PydanticCustomError:
    """A problem between two keys, told of one of them."""
    facts = {"key": key, "what": what, "allowed": allowed}
    return PydanticCustomError("between_keys", "{what}", facts)


class _Table(BaseModel):
    # strict: "256" is not 256 and true is not 1; a slip in a file should be told, not guessed at.
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class _Daemon(_Table):
    """What a hub and a client have in common."""

    root: RootPath = Path()
    state: OptionalPath = None
    token: Secret = SecretStr("")
    token_file: OptionalPath = None
    allow_plaintext_token: Switch = False
    deletion_share: Share = 0.5
    deletion_floor: Many = 20
    allow_mass_delete: Switch = False

    @property
    def state_dir(self) -> Path:
        """Where the daemon keeps what it knows: ``state``, else beneath the root."""
        return self.state if self.state is not None else self.root / RESERVED

    def shares(self, file: Path) -> bool:
        """Whether the name ``file``, or what it leads to, is in the tree that hub and client share.

        Of a root that was not given nothing is known yet.
        """
        if "root" not in self.model_fields_set:
            return False
        root = self.root.resolve()
        places = (file.resolve(), file.parent.resolve() / file.name)
        return any(
            place.is_relative_to(root) and not place.is_relative_to(root / RESERVED)
            for place in places
        )

    @property
    def has_token(self) -> bool:
        """Whether a token is set, here or in a file."""
        return bool(self.token.get_secret_value()) or self.token_file is not None

    def secret(self) -> str:
        """The token; empty without one. Reads ``token_file`` anew, so that it can be changed."""
        if self.token_file is not None:
            return read_token(self.token_file)
        return self.token.get_secret_value()

    @model_validator(mode="after")
    def _one_token(self) -> Self:
        if self.token_file is not None and self.token.get_secret_value():
            raise _wrong("token_file", "token is set too", "one of token and token_file")
        return self

    @model_validator(mode="after")
    def _secrets_are_not_published(self) -> Self:
        # A hub would hand them out, and could replace those of a client.
        for key in SECRETS:
            file: Path | None = getattr(self, key, None)
            if file is not None and self.shares(file):
                raise _wrong(key, f"{file} is inside the root {self.root}", OUTSIDE)
        return self

    @model_validator(mode="after")
    def _state_is_not_published(self) -> Self:
        # The state would be announced, and written on every announcement, without end.
        root, state = self.root.resolve(), self.state_dir.resolve()
        if state.is_relative_to(root) and not state.is_relative_to(root / RESERVED):
            allowed = f"a directory outside of the root, or {RESERVED} in it"
            raise _wrong("state", f"{self.state} is inside the root {self.root}", allowed)
        return self

    def _refuse_plaintext(self, where: str) -> PydanticCustomError:
        key = "token_file" if self.token_file is not None else "token"
        allowed = "TLS (wss), a loopback address, or allow_plaintext_token = true"
        return _wrong(key, f"the token would cross the network in the clear ({where})", allowed)


class HubSettings(_Daemon):
    """The ``[hub]`` table."""

    listen: Listen = "127.0.0.1:8471"
    identity: Text = ""
    tls_cert: OptionalPath = None
    tls_key: OptionalPath = None
    ignore: Lines = ()
    rescan_s: Seconds = 60.0
    settle_ms: Wait = 20.0
    cache_bytes: Size = 128 * MIB
    older_trees_bytes: Size = 256 * MIB
    inflight_bytes: Size = 64 * MIB
    requests: Count = 256
    max_clients: Count = 2000
    send_timeout_s: Seconds = 30.0
    drain_s: Wait = 5.0
    retry_after_s: Wait = 1.0

    @property
    def state_dir(self) -> Path:
        """As for any daemon; but where a client's replica is published again, both need a place."""
        return self.state if self.state is not None else self.root / RESERVED / "hub"

    @property
    def address(self) -> tuple[str, int]:
        """``listen`` as (host, port)."""
        return split_address(self.listen)

    @model_validator(mode="after")
    def _tls(self) -> Self:
        if (self.tls_cert is None) != (self.tls_key is None):
            key, other = (
                ("tls_key", "tls_cert") if self.tls_key is None else ("tls_cert", "tls_key")
            )
            raise _wrong(key, f"{other} is set without it", "both of tls_cert and tls_key, or none")
        return self

    @model_validator(mode="after")
    def _plaintext(self) -> Self:
        plaintext = self.tls_cert is None and not is_loopback(self.address[0])
        if plaintext and self.has_token and not self.allow_plaintext_token:
            raise self._refuse_plaintext(f'listen = "{self.listen}" without tls_cert')
        return self


class ClientSettings(_Daemon):
    """The ``[client]`` table."""

    hub: HubUrl = ""
    tls_ca: OptionalPath = None
    accept_new_hub: Switch = False
    conflict: Conflict = "keep"
    mirror: Switch = False
    requests: Count = 256
    inflight_bytes: Size = 16 * MIB
    attic_bytes: Size = 256 * MIB
    audit_s: Seconds = 300.0
    backoff_min_s: Seconds = 0.2
    backoff_max_s: Seconds = 30.0

    @model_validator(mode="after")
    def _tls(self) -> Self:
        if self.tls_ca is not None and self.hub.startswith("ws:"):
            raise _wrong("tls_ca", f'hub = "{self.hub}" uses no TLS', "a hub with wss://")
        return self

    @model_validator(mode="after")
    def _plaintext(self) -> Self:
        parts = urlsplit(self.hub)
        plaintext = parts.scheme == "ws" and not is_loopback(parts.hostname or "")
        if plaintext and self.has_token and not self.allow_plaintext_token:
            raise self._refuse_plaintext(f'hub = "{self.hub}"')
        return self

    @model_validator(mode="after")
    def _backoff(self) -> Self:
        if self.backoff_min_s > self.backoff_max_s:
            what = f"{self.backoff_max_s:g} is less than backoff_min_s = {self.backoff_min_s:g}"
            raise _wrong("backoff_max_s", what, "at least backoff_min_s")
        return self


class LogSettings(_Table):
    """The ``[log]`` table."""

    level: LevelName = "info"
    format: LogFormat = "auto"


class Config(_Table):
    """All tables of one configuration."""

    hub: HubSettings = HubSettings()
    client: ClientSettings = ClientSettings()
    log: LogSettings = LogSettings()
