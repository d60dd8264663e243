"""Instructions: for each block of the patched file, where it comes from.

An instruction is one of::

    offset                         copy a block from there in the old file
    (offset, size)                 copy the short last block from there
    (number, weak, strong)         the block is missing
    (number, weak, strong, size)   the short last block is missing
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from pyzsync.classic.errors import BadHashlist, BadInstructions, BlueprintIncomplete
from pyzsync.classic.shapes import AnyHashes, Entry, entries
from pyzsync.classic.steps import CHUNK

Instruction = int | tuple[Any, ...]


def get_blueprint(delta: AnyHashes, num: int) -> tuple[list[Instruction], list[int]]:
    """Turn a delta into instructions, one a block, and the ascending numbers of missing blocks.

    ``num`` is the block count that ``block_checksums`` returned. Raises BlueprintIncomplete where
    the delta does not tell of every block, BadHashlist where it tells twice or of blocks beyond.
    """
    blueprint: list[Instruction | None] = [None] * num
    missing: list[int] = []
    for entry in entries(delta):
        if entry.number >= num:
            raise BadHashlist(entry.weak, entry.pack(), f"there are only {num} blocks")
        if blueprint[entry.number] is not None:
            raise BadHashlist(entry.weak, entry.pack(), "this block is listed twice")
        blueprint[entry.number] = _instruction(entry)
        if entry.offset is None:
            missing.append(entry.number)
    instructions = [instruction for instruction in blueprint if instruction is not None]
    if len(instructions) < num:
        absent = tuple(number for number, given in enumerate(blueprint) if given is None)
        raise BlueprintIncomplete(absent, num)
    return instructions, sorted(missing)


def _instruction(entry: Entry) -> Instruction:
    if entry.offset is None:
        hashes = (entry.number, entry.weak, entry.strong)
        return hashes if entry.size is None else (*hashes, entry.size)
    return entry.offset if entry.size is None else (entry.offset, entry.size)


@dataclass(frozen=True, slots=True)
class Copy:
    """``size`` bytes from ``source`` in the old file to ``offset`` in the result."""

    offset: int
    source: int
    size: int


@dataclass(frozen=True, slots=True)
class Plan:
    """Instructions, read: the result's length and block count, what is copied, what is missing.

    ``missing`` maps the numbers of missing blocks to their strong hashes.
    """

    length: int
    count: int
    copies: list[Copy]
    missing: dict[int, bytes]


def read_instructions(instructions: Sequence[Any], blocksize: int) -> Plan:
    """Check instructions and join copies that are neighbours on both sides, up to CHUNK bytes."""
    copies: list[Copy] = []
    missing: dict[int, bytes] = {}
    length = 0
    for number, instruction in enumerate(instructions):
        if length != number * blocksize:
            raise BadInstructions(number, instruction, "it stands behind the short last block")
        source, size, strong = _parts(number, instruction, blocksize)
        if strong is not None:
            missing[number] = strong
        else:
            _append(copies, Copy(length, source, size))
        length += size
    return Plan(length, len(instructions), copies, missing)


def _parts(number: int, instruction: object, blocksize: int) -> tuple[int, int, bytes | None]:
    """Source, size and, for a missing block, strong hash."""
    match instruction:
        case int(source):
            size, strong = blocksize, None
        case [int(source), int(size)]:
            strong = None
        case [int(source), int(), bytes(strong)] if source == number:
            size = blocksize
        case [int(source), int(), bytes(strong), int(size)] if source == number:
            pass
        case _:
            raise BadInstructions(number, instruction, "get_blueprint makes no such instruction")
    if source < 0 or not 0 < size <= blocksize:
        raise BadInstructions(number, instruction, f"it does not fit blocksize {blocksize}")
    return source, size, strong


def _append(copies: list[Copy], copy: Copy) -> None:
    if copies:
        last = copies[-1]
        gap = copy.offset - last.offset
        if last.size == gap == copy.source - last.source and gap + copy.size <= CHUNK:
            copies[-1] = Copy(last.offset, last.source, gap + copy.size)
            return
    copies.append(copy)


def numbers_by_run(numbers: Sequence[int], blocksize: int) -> Iterator[tuple[int, int]]:
    """First number and count of each run of successive numbers; a longer run than CHUNK is cut."""
    most = max(1, CHUNK // blocksize)
    first, count = 0, 0
    for number in numbers:
        if count and (number != first + count or count == most):
            yield first, count
            count = 0
        if not count:
            first = number
        count += 1
    if count:
        yield first, count
