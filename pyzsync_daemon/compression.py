"""The one place that speaks zstd: compress what pays, decompress within a bound.

Errors: ``CodedSizeError`` (decoding gave other than the announced number of bytes) and
``CodedFormatError`` (the bytes are not one whole zstd frame), both ``CodedDataError``.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable

from protocol.messages import Coding

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

# Level 3 is zstd's own default: 2 MiB takes a few milliseconds, and higher levels gain a few
# percent for several times the cost.
LEVEL = 3
# Less than 3 % saved does not pay for the decoding at every client.
WORTH = 0.97
# A frame may ask its reader for a window of memory. Ours (level 3) ask for 2 MiB; 8 MiB leaves
# room for a hub with other settings and keeps a hostile frame from taking gigabytes.
_WINDOW_LOG_MAX = 23


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
    coded = zstd.compress(data, LEVEL)
    if len(coded) <= len(data) * WORTH:
        return Coding.ZSTD, coded
    return Coding.RAW, data


def decompress(coding: Coding, parts: Iterable[bytes], size: int) -> bytes:
    """Decode the joined ``parts`` into exactly ``size`` bytes.

    No more than ``size + 1`` decoded bytes are ever held, whatever the parts claim: the caller
    bounds ``size``. Raises ``CodedSizeError`` or ``CodedFormatError``.
    """
    data = b"".join(parts) if coding is Coding.RAW else _inflate(parts, size)
    if len(data) != size:
        raise CodedSizeError(size, len(data))
    return data


def _inflate(parts: Iterable[bytes], size: int) -> bytes:
    options: dict[int, int] = {zstd.DecompressionParameter.window_log_max: _WINDOW_LOG_MAX}
    frame = zstd.ZstdDecompressor(options=options)
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
