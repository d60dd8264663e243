import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.errors import BadPath, Code
from protocol.paths import RESERVED, check_path, from_wire, to_wire

from .strategies import wires


@given(wires)
def test_every_name_survives(wire):
    path = from_wire(wire)
    assert to_wire(path) == wire
    assert check_path(path) == path


@given(st.binary(max_size=40) | st.lists(st.sampled_from([b"a", b".", b"/", b"\0"])).map(b"".join))
def test_what_passes_is_canonical(wire):
    try:
        path = from_wire(wire)
    except BadPath:
        return
    names = path.split("/")
    assert all(names)
    assert not {".", ".."} & set(names)
    assert "\0" not in path
    assert to_wire(path) == wire


@given(st.text(st.characters(), max_size=20))
def test_both_doors_agree(path):
    try:
        assert check_path(path) == path
    except BadPath:
        return
    assert from_wire(to_wire(path)) == path


DEEP = "/".join(["d"] * 256)

REFUSED = {
    "": "is empty",
    "/etc/passwd": "slash",
    "a/": "slash",
    "a//b": "slash",
    ".": "contains '.' or '..'",
    "..": "contains '.' or '..'",
    "a/../b": "contains '.' or '..'",
    "a/.": "contains '.' or '..'",
    "a\0b": "NUL",
    "é" * 128: "name longer than 255 bytes",
    "a/" * 2048 + "b": "longer than 4096 bytes",
    DEEP: "deeper than 255 names",
    ".pyzsync": "reserved",
    ".pyzsync/staging": "reserved",
    ".PyZsync/x": "reserved",
    ".pyzsync./x": "reserved",
    ".pyzsync . ": "reserved",
    "PYZSYN~1/staging": "reserved",
    "pyzsy~12": "reserved",
    ".pyz\N{HANGUL FILLER}sync": "reserved",
    "\N{HANGUL CHOSEONG FILLER}.pyzsync": "reserved",
    ".pyzsync\N{HALFWIDTH HANGUL FILLER}.": "reserved",
    ".pyz\u2065sync": "reserved",
    ".pyzsync\U000e0fff": "reserved",
    ".pyzsync\N{NO-BREAK SPACE}": "reserved",
    ".pyz\N{LATIN SMALL LETTER LONG S}ync": "reserved",
    ".pyz\N{ZERO WIDTH JOINER}sync": "reserved",
    ".p\N{COMBINING ACUTE ACCENT}yzsync": "reserved",
    "\N{FULLWIDTH FULL STOP}\N{FULLWIDTH LATIN SMALL LETTER P}yzsync": "reserved",
}


@pytest.mark.parametrize("path", REFUSED, ids=lambda path: ascii(path)[:20])
def test_refused(path):
    with pytest.raises(BadPath, match=REFUSED[path]) as caught:
        check_path(path)
    assert caught.value.code is Code.BAD_PATH
    assert caught.value.path == path
    with pytest.raises(BadPath, match=REFUSED[path]):
        from_wire(path.encode())


ACCEPTED = [
    "a",
    "...",
    ".a/..b",
    "a b\n",
    "a/.pyzsync",
    ".pyzsync2",
    ".pyzsync~",
    "pyzsyn~",
    "pyz~1",
    "a/pyzsyn~1",
    "pyzsync",
    "x/" * 254 + "y",
    "n" * 255,
    "\N{SNOWMAN}",
    "\udcff",
]


@pytest.mark.parametrize("path", ACCEPTED, ids=lambda path: ascii(path)[:20])
def test_accepted(path):
    assert check_path(path) == path == from_wire(to_wire(path))


def test_a_str_that_is_a_second_spelling_of_bytes_is_refused():
    with pytest.raises(BadPath, match="second spelling"):
        check_path("\udcc3\udca9")  # the bytes of "é"


def test_a_str_that_is_no_name_is_refused():
    with pytest.raises(BadPath, match="no file name can have"):
        check_path("\ud800")


@pytest.mark.parametrize("wire", [b"\xc0\xae\xc0\xae", b"\xc0\xafetc", b"\xe0\x80\xaf"])
def test_overlong_forms_mean_nothing(wire):
    path = from_wire(wire)
    assert "." not in path
    assert "/" not in path
    assert to_wire(path) == wire


def test_the_reserved_name():
    assert RESERVED == ".pyzsync"
