from enum import IntEnum, IntFlag

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol import fields
from protocol.errors import BadPath
from protocol.fields import Wrong


class Color(IntEnum):
    RED = 1
    BLUE = 5


class Mark(IntFlag):
    A = 1
    B = 2


GOOD = [
    (fields.number(-1, 5), -1, -1),
    (fields.number(-1, 5), 5, 5),
    (fields.boolean, True, True),
    (fields.choice(Color), 5, Color.BLUE),
    (fields.flags(Mark), 0, Mark(0)),
    (fields.flags(Mark), 3, Mark.A | Mark.B),
    (fields.octets(2), b"ab", b"ab"),
    (fields.octets(2, empty=True), b"", b""),
    (fields.data(2), b"", b""),
    (fields.data(2), b"ab", b"ab"),
    (fields.many(fields.boolean, 1, 2), [True, False], (True, False)),
    (fields.optional(fields.boolean), None, None),
    (fields.optional(fields.boolean), False, False),
    (fields.run_set(empty=True), b"", b""),
    (fields.run_set(empty=False), b"\0\1", b"\0\1"),
    (fields.word, "a-1", "a-1"),
    (fields.text, "päth ok", "päth ok"),
    (fields.path, b"a/\xff", "a/\udcff"),
    (fields.target, b"../\xff", "../\udcff"),
    (fields.target, b"", ""),
    (fields.mode, 0o644, 0o644),
    (fields.mode, 0o7755, 0o755),
]


@pytest.mark.parametrize(("read", "value", "expected"), GOOD)
def test_read(read, value, expected):
    found = read(value)
    assert found == expected
    assert type(found) is type(expected)


BAD = [
    (fields.number(0, 5), -1, "-1 is not a whole number from 0 to 5"),
    (fields.number(0, 5), 6, "6 is not a whole number from 0 to 5"),
    (fields.number(0, 5), True, "True is not a whole number from 0 to 5"),
    (fields.number(0, 5), 1.0, "1.0 is not a whole number from 0 to 5"),
    (fields.boolean, 1, "1 is not true or false"),
    (fields.choice(Color), 2, "2 is not a known Color"),
    (fields.choice(Color), True, "True is not a known Color"),
    (fields.flags(Mark), 4, "4 is not a set of known Marks"),
    (fields.flags(Mark), -1, "-1 is not a set of known Marks"),
    (fields.flags(Mark), False, "False is not a set of known Marks"),
    (fields.octets(2), b"", "bytes of 0 is not 2 bytes"),
    (fields.octets(2), "ab", "str of 2 is not 2 bytes"),
    (fields.octets(2, empty=True), b"a", "bytes of 1 is not 2 bytes or none"),
    (fields.data(2), b"abc", "bytes of 3 is not at most 2 bytes"),
    (fields.many(fields.boolean, 1, 2), [], "list of 0 is not an array of 1 to 2 items"),
    (fields.many(fields.boolean, 1, 2), [True] * 3, "list of 3 is not an array of 1 to 2 items"),
    (fields.many(fields.boolean, 1, 2), {}, "dict of 0 is not an array of 1 to 2 items"),
    (fields.many(fields.boolean, 1, 2), [0], "0 is not true or false"),
    (fields.optional(fields.boolean), 0, "0 is not true or false"),
    (fields.run_set(empty=True), [], "list of 0 is not a run set"),
    (fields.run_set(empty=False), b"", "bytes of 0 is not a run set of at least one run"),
    (fields.run_set(empty=True), b"\0", "ends after a gap"),
    (fields.word, "", "str of 0 is not a word of up to 64 of a-z, 0-9 and '-'"),
    (fields.word, "A", "str of 1 is not a word of up to 64 of a-z, 0-9 and '-'"),
    (fields.word, "a" * 65, "str of 65 is not a word of up to 64 of a-z, 0-9 and '-'"),
    (fields.word, "a\n", "str of 2 is not a word of up to 64 of a-z, 0-9 and '-'"),
    (fields.text, "\x1b[2J", "str of 4 is not one printable line of up to 1024 bytes"),
    (fields.text, "ä" * 513, "str of 513 is not one printable line of up to 1024 bytes"),
    (fields.text, b"", "bytes of 0 is not one printable line of up to 1024 bytes"),
    (fields.path, "a", "str of 1 is not bytes"),
    (fields.target, b"a\0", "bytes of 2 is not up to 4095 bytes without NUL"),
    (fields.target, b"a" * 4096, "bytes of 4096 is not up to 4095 bytes without NUL"),
    (fields.mode, 0o10000, "4096 is not permission bits up to 7777"),
    (fields.mode, True, "True is not permission bits up to 7777"),
]


@pytest.mark.parametrize(("read", "value", "why"), BAD)
def test_refused(read, value, why):
    with pytest.raises(Wrong) as caught:
        read(value)
    assert str(caught.value) == why


def test_a_path_has_its_own_error():
    with pytest.raises(BadPath):
        fields.path(b"../x")


@given(st.text(st.characters(), max_size=2000))
def test_any_string_can_be_made_a_text(value):
    assert fields.text(fields.to_text(value)) is not None
    if value.isprintable() and len(value.encode()) <= 1024:
        assert fields.to_text(value) == value
