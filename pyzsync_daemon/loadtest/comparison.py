"""The hub's files, to be compared byte by byte with what clients in memory have."""

from __future__ import annotations

import mmap
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from pyzsync_daemon.demo.trees import walk
from pyzsync_daemon.loadtest.segments import Buffer, Segments


class Comparison:
    """The tree at ``root``, mapped: nobody writes there any more. Use as a context.

    Contents that several clients share are one object, which is compared once.
    """

    def __init__(self, root: Path) -> None:
        self._stack = ExitStack()
        self._files: dict[str, Buffer] = {}
        self._verdicts: dict[tuple[str, int], str] = {}
        for path in walk(root):
            if (root / path).is_file():
                self._files[path] = self._map(root / path)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._files.clear()
        self._stack.close()

    def differs(self, files: Mapping[str, Segments]) -> str:
        """What differs first; empty if every file is here and there, with the same bytes."""
        for path in sorted(files.keys() ^ self._files.keys()):
            return f"{path}: it is in one tree only"
        for path, content in files.items():
            key = (path, id(content))
            if key not in self._verdicts:
                at = content.first_difference(self._files[path])
                self._verdicts[key] = "" if at is None else f"{path}: the bytes at {at}"
            if self._verdicts[key]:
                return self._verdicts[key]
        return ""

    def _map(self, path: Path) -> Buffer:
        if not path.stat().st_size:
            return b""
        with path.open("rb") as file:
            mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        self._stack.callback(mapped.close)
        return self._stack.enter_context(memoryview(mapped))
