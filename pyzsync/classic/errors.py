"""What can go wrong in the classic API; facts are in fields, the sentence in ``__str__``.

ClassicError
├── BadBlocksize         not a whole number from 1 up
├── BadHashlist          a hashlist or delta that block_checksums and zsync_delta do not make
├── BadInstructions      an instruction that get_blueprint does not make
├── BlueprintIncomplete  the delta does not cover all blocks of the patched file
├── FileTooShort         a file ends before the bytes that are asked of it
├── UnknownBlock         a block that the patched file does not have
├── WrongBlock           a block's bytes are not those of the hashlist
├── WrongBlockSize       a block is empty or larger than the blocksize
└── PatchMismatch        the finished file is not the one that the hashlist describes
"""

from __future__ import annotations

from pyzsync.errors import PyzsyncError


class ClassicError(PyzsyncError):
    """Base of all errors of the classic API."""


class BadBlocksize(ClassicError, ValueError):
    """A blocksize is not a whole number from 1 up."""

    def __init__(self, blocksize: object) -> None:
        super().__init__(blocksize)
        self.blocksize = blocksize

    def __str__(self) -> str:
        return f"blocksize is {self.blocksize!r}: it must be a whole number from 1 up"


class BadHashlist(ClassicError, ValueError):
    """A hashlist or a delta holds an entry that cannot be; ``entry`` is that entry."""

    def __init__(self, weak: object, entry: object, reason: str) -> None:
        super().__init__(weak, entry, reason)
        self.weak = weak
        self.entry = entry
        self.reason = reason

    def __str__(self) -> str:
        return f"bad hashlist: {self.reason}, in entry {self.entry!r} of weak sum {self.weak!r}"


class BadInstructions(ClassicError, ValueError):
    """An instruction for block ``number`` cannot be followed with this blocksize."""

    def __init__(self, number: int, instruction: object, reason: str) -> None:
        super().__init__(number, instruction, reason)
        self.number = number
        self.instruction = instruction
        self.reason = reason

    def __str__(self) -> str:
        return f"bad instruction {self.instruction!r} for block {self.number}: {self.reason}"


class BlueprintIncomplete(ClassicError):
    """The delta says nothing about the blocks ``numbers`` of ``total``."""

    def __init__(self, numbers: tuple[int, ...], total: int) -> None:
        super().__init__(numbers, total)
        self.numbers = numbers
        self.total = total

    def __str__(self) -> str:
        return (
            f"the delta lacks {len(self.numbers)} of {self.total} blocks, "
            f"the first is {self.numbers[0]}: it was made from another hashlist"
        )


class FileTooShort(ClassicError):
    """``wanted`` bytes at ``offset`` were asked of a file, it had only ``found`` of them."""

    def __init__(self, offset: int, wanted: int, found: int) -> None:
        super().__init__(offset, wanted, found)
        self.offset = offset
        self.wanted = wanted
        self.found = found

    def __str__(self) -> str:
        return (
            f"the file has {self.found} of {self.wanted} bytes at offset {self.offset}: "
            "it has changed since it was read; start again"
        )


class UnknownBlock(ClassicError, ValueError):
    """The patched file has no block ``number``; ``total`` is its count of blocks, if known."""

    def __init__(self, number: object, total: int | None) -> None:
        super().__init__(number, total)
        self.number = number
        self.total = total

    def __str__(self) -> str:
        count = "" if self.total is None else f", it has {self.total} blocks"
        return f"the patched file has no block {self.number!r}{count}"


class WrongBlock(ClassicError):
    """The bytes of block ``number`` have another strong hash; they were not written.

    ``copied`` says whether they came from the old file (which has changed) or from the caller.
    """

    def __init__(self, number: int, size: int, copied: bool) -> None:
        super().__init__(number, size, copied)
        self.number = number
        self.size = size
        self.copied = copied

    def __str__(self) -> str:
        if self.copied:
            hint = "copied from the old file, which has changed: fetch this block"
        else:
            hint = "received: fetch it again"
        return f"block {self.number} ({self.size} bytes) is not that of the hashlist, {hint}"


class WrongBlockSize(ClassicError, ValueError):
    """Block ``number`` has ``size`` bytes, not 1 to ``blocksize``; it was not written."""

    def __init__(self, number: int, size: int, blocksize: int) -> None:
        super().__init__(number, size, blocksize)
        self.number = number
        self.size = size
        self.blocksize = blocksize

    def __str__(self) -> str:
        return f"block {self.number} has {self.size} bytes, a block has 1 to {self.blocksize}"


class PatchMismatch(ClassicError):
    """The blocks ``numbers`` of a file are wrong or absent, or its length is not ``expected``."""

    def __init__(self, numbers: tuple[int, ...], length: int, expected: int) -> None:
        super().__init__(numbers, length, expected)
        self.numbers = numbers
        self.length = length
        self.expected = expected

    def __str__(self) -> str:
        size = f"{self.length} bytes where {self.expected} are right"
        if not self.numbers:
            return f"the file is not the patched file: it has {size}"
        return (
            f"the file is not the patched file: {len(self.numbers)} blocks are wrong or absent, "
            f"the first is {self.numbers[0]} ({size}): fetch them again"
        )
