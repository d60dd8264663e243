"""Open files: a connection needs one, and shells start processes with 1024."""

from __future__ import annotations

import resource
from typing import Final

OTHERS: Final = 1024  # mapped trees, files being read and served, databases


def make_room(connections: int) -> str:
    """Raise this process's limit of open files, as far as the system lets it, for so many.

    Returns a sentence when that is not far enough, else nothing.
    """
    needed = connections + OTHERS
    allowed = raise_limit(needed)
    if allowed == needed:
        return ""
    return (
        f"max_clients = {connections} may not fit: with {OTHERS} others that is {needed} open "
        f"files, and the limit is {allowed}; raise it (ulimit -Hn, LimitNOFILE=) or lower "
        "max_clients"
    )


def raise_limit(needed: int | None = None) -> int:
    """Allow this process ``needed`` open files (None: as many as it may have).

    Returns how many of them it has now: fewer where the system says so.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if needed is None:
        needed = soft if hard == resource.RLIM_INFINITY else hard
    allowed = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
    if soft != resource.RLIM_INFINITY and soft < allowed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    return allowed
