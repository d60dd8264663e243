"""The kernel's numpy twin, for where there was no C compiler; see pyzsync/kernel.py."""

from pyzsync._numpy_hashes import equal_rows, hash_leaves, hash_levels, hash_nodes
from pyzsync._numpy_join import Join, extend_runs
from pyzsync._numpy_matcher import Matcher

__all__ = [
    "Join",
    "Matcher",
    "equal_rows",
    "extend_runs",
    "hash_leaves",
    "hash_levels",
    "hash_nodes",
    "name",
]

name = "numpy"
