"""Who a hub is: clients pin it, so that another hub at its address does not rewrite their trees."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from blake3 import blake3

from pyzsync_daemon.errors import DaemonError

IDENTITY_SIZE = 32


class BadIdentity(DaemonError):
    """The file ``path`` was damaged."""

    hint = (
        "restore it; or delete it: the hub is then another one to its clients, "
        "and each has to be started once with --accept-new-hub"
    )

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.path = path

    def __str__(self) -> str:
        return f"{self.path} does not hold the hub's identity, {IDENTITY_SIZE} bytes in hex"


def hub_identity(state: Path, text: str = "") -> bytes:
    """32 bytes: the digest of the configured ``text``, else a number drawn once for ``state``.

    A configured text survives the loss of the state directory, and lets a second machine take over.
    Raises ``BadIdentity`` or ``OSError``.
    """
    if text:
        return blake3(text.encode()).digest()
    path = state / "identity"
    try:
        identity = bytes.fromhex(path.read_text("ascii"))
    except FileNotFoundError:
        return _draw(path)
    except ValueError:
        raise BadIdentity(path) from None
    if len(identity) != IDENTITY_SIZE:
        raise BadIdentity(path)
    return identity


def _draw(path: Path) -> bytes:
    """A new identity, on disk before anybody hears of it."""
    identity = secrets.token_bytes(IDENTITY_SIZE)
    staged = path.with_suffix(".new")
    with staged.open("w", encoding="ascii") as file:
        file.write(identity.hex() + "\n")
        file.flush()
        os.fsync(file.fileno())
    staged.replace(path)
    return identity
