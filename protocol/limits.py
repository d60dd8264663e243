"""Every bound of the protocol, with its reason. SPEC.md lists the same values; a test compares.

Everything a peer sends is compared with these before it is used. Sizes are bytes unless said.
"""

from __future__ import annotations

from pyzsync import grid, steps

PROTOCOL = 1
"""The version of the protocol that this package speaks."""

# --- the grid: part of what a version means, so never to be changed within protocol 1 ----------

LEAF = grid.LEAF
"""The smallest block: block sets stay small, and small edits cost little."""

FANOUT = grid.FANOUT
"""Children of a node: a layered search asks for four finer hashes of what it could not match."""

WINDOW_NODES = grid.WINDOW_LEAVES
"""Nodes in a window of a level: its hashlist fits one frame at 15 bytes an entry."""

WINDOW = grid.WINDOW
"""Bytes of a window of leaves (2 MiB): what a hub reads, verifies and compresses at once."""

MAX_SIZE = 2**63 - 1
"""A file's length: what the operating system's signed 64-bit offsets can name."""

MAX_LEVEL = 27
"""The level at which one node covers a file of MAX_SIZE: 512 * 4**27 = 2**63."""

MAX_WINDOW = 2**63 // WINDOW - 1
"""The last window of leaves of a file of MAX_SIZE."""

# --- frames --------------------------------------------------------------------------------------

MAX_FRAME = 65_536
"""Large frames hold up the small ones behind them: 1 MiB to 1000 connections took 1.4 s in frames
of 64 KiB and 3.7 s in one."""

MAX_MESSAGES = 1024
"""Messages in a frame: bounds the work that one frame can cause."""

MAX_ARRAY = 1024
"""Items in any array. A decoder makes room for an array before it has its items, at every depth,
so this times 8 bytes times its depth limit (1024) is the most memory that a frame can claim: 8 MiB
for a moment."""

MAX_RUN_SET = 4096
"""An encoded run set of a window: at most 2048 runs of two bytes each; longer numbers leave room
for fewer runs."""

MAX_PAYLOAD = 56_320
"""Data in one part of a block set or delta: 110 leaves. Beside it a frame must hold two run sets
of MAX_RUN_SET and the fixed fields."""

MIN_WIDTH = 5
"""Strong bytes of an entry: 4 of weak and 5 of strong keep false matches of a small file below
2**-40."""

MAX_WIDTH = 20
"""Strong bytes of an entry: what hash trees keep; enough for a file of MAX_SIZE."""

# --- what one message may hold -------------------------------------------------------------------

MAX_CHANGES = 1024
"""Changes in an announcement: a frame holds some 500 of usual names, so this only stops a flood of
the shortest."""

MAX_QUERIES = 256
"""Queries in a request: enough small files to hide a round trip, few enough to answer fairly."""

MAX_REQUESTS = 1024
"""Unanswered queries that a hub may allow a client: each may hold a window in memory."""

MAX_BLOCK_PARTS = -(-WINDOW // MAX_PAYLOAD)
"""Parts of a block set: an incompressible window is sent raw and fits in as many."""

MAX_DELTA = 256 * 2**20
"""A decoded delta: a client unpacks it piece by piece, so this bounds time and disk, not memory."""

MAX_DELTA_STEPS = steps.MAX_STEPS
"""Steps of a delta: 24 MiB of columns at the reader; a change in more pieces is cheaper to fetch by
windows."""

MAX_DELTA_PARTS = 192
"""Parts of a delta: 10 MiB coded; a larger change is cheaper to fetch by windows."""

# --- names and texts -----------------------------------------------------------------------------

MAX_PATH = 4096
"""A path: Linux's PATH_MAX, so that a person can still type it."""

MAX_NAME = 255
"""One component of a path: NAME_MAX of the usual file systems."""

MAX_DEPTH = 255
"""Components of a path: a path is walked by one open directory a component, and tools that
recurse over the replica must survive it."""

MAX_TARGET = 4095
"""A symlink's target: PATH_MAX without its NUL; no Linux file system holds a longer one."""

MAX_MODE = 0o7777
"""Permission bits on the wire. Only 0o777 pass the door: no setuid bit comes from a peer."""

MAX_TEXT = 1024
"""A text for people (agent, detail): a line in a log."""

MAX_VIEW = 32
"""A view's name: a digest."""

MAX_FEATURES = 32
"""Features offered: each is a word that both sides must know to use it."""

MAX_FEATURE = 64
"""A feature's name."""

MAX_PROTOCOLS = 16
"""Protocol versions offered."""

MAX_PROTOCOL = 65_535
"""A protocol version's number."""

MAX_RETRY_AFTER = 3_600_000
"""Milliseconds to wait: a peer cannot send a client away for more than an hour."""


def max_nodes(width: int) -> int:
    """Nodes to ask for at once so that the hashlist fits a frame: 4096, or 2048 when ``width``
    bytes of strong are too wide. Powers of two, so that the requests of clients coincide."""
    columns = WINDOW_NODES * (4 + width)
    return WINDOW_NODES if columns + _HASHLIST_FIELDS <= MAX_FRAME else WINDOW_NODES // 2


_HASHLIST_FIELDS = 256
"""Everything in a hashlist of a whole window but its columns: two versions and small numbers."""
