"""Who a hub is: clients pin it, so that another hub at its address does not rewrite their trees."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from blake3 import blake3

IDENTITY_SIZE = 32


def hub_identity(state: Path, text: str = "") -> bytes:
    """32 bytes: the digest of the configured ``text``, else a number drawn once for ``state``.

    A configured text survives the loss of the state directory, and lets a second machine take over.
    Raises ``OSError``; ``ValueError`` if the file was damaged.
    """
    if text:
        return blake3(text.encode()).digest()
    path = state / "identity"
    try:
        identity = bytes.fromhex(path.read_text("ascii"))
    except FileNotFoundError:
        return _draw(path)
    if len(identity) != IDENTITY_SIZE:
        raise ValueError(f"{path} does not hold {IDENTITY_SIZE} bytes in hex: delete or restore it")
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
