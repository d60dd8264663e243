"""The root's own ignore file, as it is when the hub starts."""

from __future__ import annotations

import os
import stat
from typing import Final

from pyzsync_daemon.errors import DaemonError
from pyzsync_daemon.files.root import Root
from pyzsync_daemon.ignore import check_line

IGNORE_FILE: Final = ".pyzsyncignore"  # in the root, and published with it
MAX_BYTES: Final = 1024 * 1024  # it is read whole, and every path is compared with every line


class BadIgnoreFile(DaemonError):
    """The ignore file ``path`` cannot be used. Without it too much would be published."""

    hint = "mend it, or delete it: then everything is published"

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(path, reason)
        self.path = path
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.path} {self.reason}"


def read_ignore_file(root: Root) -> list[str]:
    """Its lines; none if there is no such file. Raises ``BadIgnoreFile``."""
    where = str(root.path / IGNORE_FILE)
    try:
        lines = _read(root).decode("utf-8").splitlines()
    except FileNotFoundError:
        return []
    except UnicodeDecodeError:
        raise BadIgnoreFile(where, "is not UTF-8 text") from None
    except OSError as error:
        raise BadIgnoreFile(where, f"cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise BadIgnoreFile(where, str(error)) from None
    for number, line in enumerate(lines, 1):
        try:
            check_line(line)
        except ValueError as error:
            raise BadIgnoreFile(where, f"has no pattern in line {number}: {error}") from None
    return lines


def _read(root: Root) -> bytes:
    # Without O_NONBLOCK, opening a pipe would wait for a writer.
    fd = root.open(IGNORE_FILE, os.O_RDONLY | os.O_NONBLOCK)
    with open(fd, "rb") as file:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise ValueError("is not a regular file")
        data = file.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise ValueError(f"is longer than {MAX_BYTES} bytes")
    return data
