"""Which paths a hub does not publish: its own files, and gitignore-style rules."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from pathspec import GitIgnoreSpec

from protocol.paths import RESERVED


def check_line(line: str) -> None:
    """Raises ``ValueError`` for a line that is no pattern, with the reason in words."""
    GitIgnoreSpec.from_lines([line])


class Ignore:
    """``lines`` as in a ``.gitignore`` at the root. As in git, nothing below an ignored directory
    can be included again, so such a directory is never walked.

    ``.pyzsync`` in the root is ignored whatever the lines say. Raises ``ValueError`` for a line
    that is no pattern.
    """

    def __init__(self, lines: Iterable[str] = ()) -> None:
        self._spec = GitIgnoreSpec.from_lines(lines)
        # Events come in bursts from few directories, and most name ignored ones (build outputs).
        self._hides_directory = lru_cache(maxsize=4096)(self._directory_hidden)

    def ignores(self, path: str, directory: bool) -> bool:
        """Whether ``path`` itself is ignored; its parents are taken to be visible."""
        return path == RESERVED or self._spec.match_file(f"{path}/" if directory else path)

    def hides(self, path: str) -> bool:
        """Whether ``path`` is ignored, or is below something that is. What is at ``path`` may be
        unknown: a rule for directories only does not hide it then."""
        if path == RESERVED or path.startswith(f"{RESERVED}/"):
            return True
        parent = path.rpartition("/")[0]
        return bool(parent and self._hides_directory(parent)) or self.ignores(path, False)

    def _directory_hidden(self, path: str) -> bool:
        parent = path.rpartition("/")[0]
        return bool(parent and self._hides_directory(parent)) or self.ignores(path, True)
