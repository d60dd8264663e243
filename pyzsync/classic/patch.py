"""Reads missing blocks from the patched file, and puts copied and fetched blocks in their place."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pyzsync.classic.blueprint import Plan, numbers_by_run, read_instructions
from pyzsync.classic.checksums import strong_hash
from pyzsync.classic.errors import (
    BlueprintIncomplete,
    FileTooShort,
    UnknownBlock,
    WrongBlock,
    WrongBlockSize,
)
from pyzsync.classic.shapes import AnyHashes, check_blocksize, checked_entries, is_count
from pyzsync.classic.steps import CHUNK, Call, ReadableFile, Steps, WritableFile, read_at, write_at

if TYPE_CHECKING:
    from typing_extensions import Buffer

Blocks = Iterable[tuple[int, "Buffer"]]


def read_blocks(
    file: ReadableFile, missing: Sequence[int], blocksize: int
) -> Steps[list[tuple[int, bytes]]]:
    """Read blocks by number, neighbours together; returns them in the order asked for."""
    check_blocksize(blocksize)
    blocks: list[tuple[int, bytes]] = []
    for first, count in numbers_by_run(missing, blocksize):
        offset, size = first * blocksize, count * blocksize
        data = yield from read_at(file, offset, size)
        if len(data) <= size - blocksize:
            raise FileTooShort(offset, size, len(data))
        starts = range(0, size, blocksize)
        blocks += [
            (number, data[start : start + blocksize])
            for number, start in enumerate(starts, start=first)
        ]
    return blocks


def patch(
    old: ReadableFile,
    result: WritableFile,
    instructions: Sequence[Any] | None,
    blocks: Blocks | None,
    blocksize: int,
    verify: AnyHashes | None,
) -> Steps[None]:
    """Copy as instructed, write the blocks given, and cut the result to its length."""
    check_blocksize(blocksize)
    plan = None if instructions is None else read_instructions(instructions, blocksize)
    checker = _Checker(blocksize, plan, verify)
    if plan is not None:
        yield from _copy(old, result, plan, checker)
    for offset, data in checker.received(blocks or ()):
        yield from write_at(result, offset, data)
    if plan is not None:
        yield Call(result.truncate, plan.length)


def _copy(old: ReadableFile, result: WritableFile, plan: Plan, checker: _Checker) -> Steps[None]:
    for copy in plan.copies:
        data = yield from read_at(old, copy.source, copy.size)
        if len(data) < copy.size:
            raise FileTooShort(copy.source, copy.size, len(data))
        checker.copied(copy.offset, data)
        yield from write_at(result, copy.offset, data)


class _Checker:
    """Checks blocks before they are written, against all that is known of them.

    With ``verify``, that is every strong hash; with instructions, those of the missing blocks.
    """

    def __init__(self, blocksize: int, plan: Plan | None, verify: AnyHashes | None) -> None:
        self._blocksize = blocksize
        self._verify = verify is not None
        self._strongs: Mapping[int, bytes] = {} if plan is None else plan.missing
        self._total = None if plan is None else plan.count
        if verify is not None:
            entries = checked_entries(verify, blocksize)
            self._strongs = {entry.number: entry.strong for entry in entries}
            self._total = len(self._strongs)
            if plan is not None and plan.count < self._total:
                raise BlueprintIncomplete(tuple(range(plan.count, self._total)), self._total)

    def copied(self, offset: int, data: bytes) -> None:
        """Check what was read from the old file, if asked to verify."""
        if not self._verify:
            return
        view = memoryview(data)
        for start in range(0, len(view), self._blocksize):
            number = (offset + start) // self._blocksize
            self._check(number, view[start : start + self._blocksize], copied=True)

    def received(self, blocks: Blocks) -> Iterator[tuple[int, bytes]]:
        """Offset and bytes of the blocks given, those that are neighbours joined up to CHUNK."""
        parts: list[bytes] = []
        first = held = 0
        for number, given in blocks:
            block = self._block(number, given)
            offset = number * self._blocksize
            if parts and (offset != first + held or held >= CHUNK):
                yield first, b"".join(parts)
                parts.clear()
            if not parts:
                first, held = offset, 0
            parts.append(block)
            held += len(block)
        if parts:
            yield first, b"".join(parts)

    def _block(self, number: int, given: Buffer) -> bytes:
        block = memoryview(given).tobytes()
        self._check(number, block, copied=False)
        return block

    def _check(self, number: int, block: bytes | memoryview, *, copied: bool) -> None:
        if not is_count(number) or (self._total is not None and number >= self._total):
            raise UnknownBlock(number, self._total)
        if not 0 < len(block) <= self._blocksize:
            raise WrongBlockSize(number, len(block), self._blocksize)
        strong = self._strongs.get(number)
        if strong is not None and strong != strong_hash(block):
            raise WrongBlock(number, len(block), copied)
