import random
from pathlib import Path

import pytest

from tests.readme_code import blocks, run

DOCUMENT = Path(__file__).parents[3] / "docs" / "library.md"
RANDOM = random.Random(5)
TEXT = b"".join(b"%d bottles of beer\n" % n for n in range(2000))
NOISE = RANDOM.randbytes(40_000)

PAIRS = {
    "edited": (TEXT, TEXT[:9_000] + b"an insertion" + TEXT[9_000:30_000] + TEXT[30_500:]),
    "equal": (NOISE, NOISE),
    "nothing in common": (NOISE, TEXT),
    "moved": (NOISE, NOISE[20_000:] + NOISE[:20_000]),
    "shorter": (NOISE, NOISE[:10_001]),
    "repeated": (bytes(50_000), bytes(12_288) + b"end"),
    "from nothing": (b"", TEXT),
    "to nothing": (TEXT, b""),
    "one byte": (b"a", b"b"),
}


@pytest.mark.parametrize(("old", "new"), PAIRS.values(), ids=PAIRS.keys())
@pytest.mark.parametrize("way", [1, 2, 3, 4])
async def test_the_document_runs_word_for_word(tmp_path, old, new, way):
    code = blocks(DOCUMENT, "Library")
    # Every block that patches writes the result anew: stop behind each, to see what it wrote.
    ends = [n for n, text in enumerate(code, start=1) if "easy_patch" in text]
    assert len(ends) == 4
    code = code[: ends[way - 1]]
    names = {f"{name}_file": str(tmp_path / name) for name in ("patched", "unpatched", "resulting")}
    (tmp_path / "patched").write_bytes(new)
    (tmp_path / "unpatched").write_bytes(old)
    await run(code, names)
    assert (tmp_path / "resulting").read_bytes() == new


def test_the_document_holds_every_example_of_the_seed():
    text = " ".join(" ".join(blocks(DOCUMENT, "Library")).split())
    for call in (
        "num, hashes = await pyzsync.block_checksums(patched)",
        "delta = await pyzsync.zsync_delta(unpatched, hashes)",
        "instructions, missing = pyzsync.get_blueprint(delta, num)",
        "blocks = pyzsync.get_blocks(patched, missing)",
        "pyzsync.easy_patch(unpatched, result, instructions, blocks)",
        "pyzsync.easy_patch(unpatched, result, instructions, None, blocksize)",
        "pyzsync.easy_patch(unpatched, result, None, blocks1, blocksize)",
        "pyzsync.easy_patch(unpatched, result, None, blocks2, blocksize)",
    ):
        assert call in text
