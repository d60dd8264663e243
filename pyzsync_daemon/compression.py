"""The one place that speaks zstd: compress what pays, decompress within a bound.

Errors: ``CodedSizeError`` (decoding gave other than the announced number of bytes) and
``CodedFormatError`` (the bytes are not one whole zstd frame), both ``CodedDataError``.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Final

from protocol.messages import Coding

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

if TYPE_CHECKING:
    from typing_extensions import Buffer

# Level 3 is zstd's own default: 2 MiB takes a few milliseconds, and higher levels gain a few
# percent for several times the cost.
LEVEL = 3
# A delta is made once for all clients, so more time pays: on literals of two releases level 12
# saves 15 % over level 3, and takes a second for 45 MiB; level 19 saves 7 % more in 20 times that.
DELTA_LEVEL = 12
# Less than 3 % saved does not pay for the decoding at every client.
WORTH = 0.97
# A frame may ask its reader for a window of memory. Ours (level 3) ask for 2 MiB; 8 MiB leaves
# room for a hub with other settings and keeps a hostile frame from taking gigabytes.
_OPTIONS: Final[dict[int, int]] = {zstd.DecompressionParameter.window_log_max: 23}
_thread = threading.local()
# Decoded at a time where the whole is not held.
_PIECE = 1 << 18


class CodedDataError(ValueError):
    """Coded bytes that do not decode to what was announced."""


class CodedSizeError(CodedDataError):
    """Decoding gave more or fewer than ``expected`` bytes; ``got`` stops just past the bound."""

    def __init__(self, expected: int, got: int) -> None:
        super().__init__(expected, got)
        self.expected = expected
        self.got = got

    def __str__(self) -> str:
        if self.got > self.expected:
            return f"coded data holds more than the announced {self.expected} bytes"
        return f"coded data holds {self.got} bytes instead of the announced {self.expected}"


class CodedFormatError(CodedDataError):
    """The bytes are not one whole zstd frame; ``reason`` says how."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return f"coded data is not one whole zstd frame: {self.reason}"


def compress(data: bytes) -> tuple[Coding, bytes]:
    """Code ``data`` as zstd if that saves at least 3 %, else leave it RAW."""
    coded = _frame_of(data)
    if len(coded) <= len(data) * WORTH:
        return Coding.ZSTD, coded
    return Coding.RAW, data


def _frame_of(data: bytes) -> bytes:
    """What ``zstd.compress`` makes, with the tables that the thread had before: to make them anew
    takes three times as long as a small file."""
    frame = getattr(_thread, "frame", None)
    if frame is None:
        frame = _thread.frame = zstd.ZstdCompressor(LEVEL)
    frame.set_pledged_input_size(len(data))
    coded: bytes = frame.compress(data, frame.FLUSH_FRAME)
    return coded


def decompress(coding: Coding, parts: Iterable[bytes], size: int) -> bytes:
    """Decode the joined ``parts`` into exactly ``size`` bytes.

    No more than ``size + 1`` decoded bytes are ever held, whatever the parts claim: the caller
    bounds ``size``. Raises ``CodedSizeError`` or ``CodedFormatError``.
    """
    data = b"".join(parts) if coding is Coding.RAW else _inflate(parts, size)
    if len(data) != size:
        raise CodedSizeError(size, len(data))
    return data


class Deflater:
    """Codes ``size`` bytes that come in pieces, with ``DELTA_LEVEL``, always as zstd."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.coded_size = 0  # bytes given out so far
        self._frame = zstd.ZstdCompressor(DELTA_LEVEL)
        # Told the size, zstd takes tables to match: without it those of a gigabyte, which cost 28
        # ms to clear before a delta of 2 KB that takes 0.1 ms.
        self._frame.set_pledged_input_size(size)
        self._coded: list[bytes] = []

    def put(self, data: Buffer) -> None:
        """Take one piece."""
        self._keep(self._frame.compress(data))

    def finish(self) -> bytes:
        """The whole frame; zstd's own error if it was given other than ``size`` bytes."""
        self._keep(self._frame.flush())
        return b"".join(self._coded)

    def _keep(self, coded: bytes) -> None:
        if coded:  # most pieces are small and only fill the compressor
            self._coded.append(coded)
            self.coded_size += len(coded)


class Inflater:
    """Decodes parts as they come; all of them are ``size`` bytes, and no more is decoded.

    ``put`` and ``finish`` raise ``CodedSizeError`` or ``CodedFormatError``.
    """

    def __init__(self, coding: Coding, size: int) -> None:
        self._frame = None if coding is Coding.RAW else _decompressor()
        self._size = size
        self._given = 0

    def put(self, part: bytes) -> Iterator[bytes]:
        """What the next part decodes to, in pieces of bounded size."""
        for piece in [part] if self._frame is None else _pieces(self._frame, part):
            self._given += len(piece)
            if self._given > self._size:
                raise CodedSizeError(self._size, self._given)
            yield piece

    def finish(self) -> None:
        """No part follows."""
        if self._frame is not None and not self._frame.eof:
            raise CodedFormatError("it ends early")
        if self._given < self._size:
            raise CodedSizeError(self._size, self._given)


def _pieces(frame: zstd.ZstdDecompressor, part: bytes) -> Iterator[bytes]:
    try:
        if frame.eof:
            raise CodedFormatError("bytes follow its end")
        yield frame.decompress(part, _PIECE)
        while not (frame.needs_input or frame.eof):
            yield frame.decompress(b"", _PIECE)
    except zstd.ZstdError as error:
        raise CodedFormatError(str(error)) from error
    if frame.unused_data:
        raise CodedFormatError("bytes follow its end")


def _decompressor() -> zstd.ZstdDecompressor:
    return zstd.ZstdDecompressor(options=_OPTIONS)


def _inflate(parts: Iterable[bytes], size: int) -> bytes:
    frame = _decompressor()
    pieces: list[bytes] = []
    room = size + 1  # one more than allowed, to see that there is more
    try:
        for part in parts:
            if frame.eof:
                raise CodedFormatError("bytes follow its end")
            pieces.append(frame.decompress(part, room))
            room -= len(pieces[-1])
            if room == 0:
                raise CodedSizeError(size, size + 1)
    except zstd.ZstdError as error:
        raise CodedFormatError(str(error)) from error
    if not frame.eof:
        raise CodedFormatError("it ends early")
    if frame.unused_data:
        raise CodedFormatError("bytes follow its end")
    return b"".join(pieces)
