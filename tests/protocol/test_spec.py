"""SPEC.md says what the code does: tables and examples are read and compared, both ways."""

import re
from pathlib import Path

import pytest

import protocol
from protocol import limits, messages, runs, shapes
from protocol.codec import decode_frame, encode
from protocol.errors import Code
from pyzsync.grid import finest_kept, strong_width
from pyzsync.tree import hash_stream
from pyzsync.weak import weak_sum

SPEC = Path(protocol.__file__).with_name("SPEC.md").read_text(encoding="utf-8")
NAMES = {**vars(messages), "Code": Code, "runs": runs}


def section(heading):
    """The text below a heading, up to the next one."""
    found = re.search(rf"^#+ {re.escape(heading)}$(.*?)(?=^#|\Z)", SPEC, re.M | re.S)
    assert found, heading
    return found[1]


def table(text, first):
    """The rows of the table whose first column has that title, as lists of cells."""
    lines = iter(text.splitlines())
    for line in lines:
        if line.startswith(f"| {first} |"):
            assert next(lines).startswith("| --- |")
            break
    else:
        raise AssertionError(f"no table of {first}")
    rows = []
    for line in lines:
        if not line.startswith("|"):
            break
        rows.append([cell.strip().strip("`") for cell in line.strip("|").split("|")])
    return rows


EXAMPLES = re.findall(r"^```example\n(.*?)\n\n(.*?)\n```$", SPEC, re.M | re.S)


@pytest.mark.parametrize(("value", "dump"), EXAMPLES, ids=[v.split("(")[0] for v, _ in EXAMPLES])
def test_example(value, dump):
    message = eval(value, dict(NAMES))
    frame = bytes.fromhex("".join(line.split("#")[0] for line in dump.splitlines()))
    assert encode(message) == frame
    assert decode_frame(frame) == (message,)


def test_every_message_and_query_has_an_example():
    for shape in (*shapes.MESSAGES, *shapes.QUERIES):
        assert any(f"{shape.make.__name__}(" in value for value, _ in EXAMPLES), shape.make


def headings():
    sides = {"Announce": "hub", "Get": "client", "Ack": "client", "Hello": "client"}
    for shape in shapes.SHAPES.values():
        name = shape.make.__name__
        if shape.number is None:
            yield f"{name} (no number)", shape
        elif shape in shapes.QUERIES:
            yield f"{name} (query {shape.number})", shape
        else:
            side = "either" if name == "Goodbye" else sides.get(name, "hub")
            yield f"{name} ({shape.number}), {side}", shape


@pytest.mark.parametrize(("heading", "shape"), list(headings()), ids=lambda x: str(x)[:14])
def test_fields(heading, shape):
    assert tuple(row[0] for row in table(section(heading), "field")) == shape.names


def test_limits():
    stated = {row[0]: int(row[1].replace(",", "")) for row in table(section("9. Limits"), "limit")}
    actual = {name: value for name, value in vars(limits).items() if re.match("[A-Z]", name)}
    assert stated == actual
    assert all(row[2] for row in table(section("9. Limits"), "limit"))


def test_codes():
    stated = [tuple(row) for row in table(section("10. Codes"), "number")]
    assert stated == [
        (str(int(code)), code.name, "yes" if code.retry else "no", code.advice) for code in Code
    ]


def test_run_sets():
    for listed, coded in table(SPEC, "runs"):
        assert runs.encode(eval(listed)) == bytes.fromhex(coded)
        assert runs.decode(bytes.fromhex(coded)) == eval(listed)


@pytest.mark.parametrize("row", table(SPEC, "content"), ids=lambda row: row[0])
def test_hashes(row):
    content, weak, top_level, version = row
    data = eval(content)
    pieces = iter([data, b""])
    tree = hash_stream(lambda size: next(pieces), len(data))
    assert f"{weak_sum(data):08x}" == weak
    assert len(tree.levels) - 1 == int(top_level)
    assert tree.version.hex() == version


def test_widths():
    for length, width in table(SPEC, "length"):
        assert strong_width(int(length.replace(",", ""))) == int(width)


def test_what_is_kept():
    four_gib = 4 << 30
    assert [finest_kept(n) for n in (0, four_gib, four_gib + 1, 4 * four_gib + 1, 2**62)] == [
        0, 0, 1, 2, 6
    ]  # fmt: skip
