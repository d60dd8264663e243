import dataclasses
from typing import get_args

import pytest

from protocol import messages, shapes
from protocol.errors import BadMessage
from protocol.messages import Change, Message, Query
from protocol.shapes import CHANGE, MESSAGE, MESSAGES, QUERIES, SHAPES


@pytest.mark.parametrize("shape", SHAPES.values(), ids=lambda shape: shape.make.__name__)
def test_fields_are_those_of_the_class_in_order(shape):
    assert shape.names == tuple(field.name for field in dataclasses.fields(shape.make))


def test_numbers_are_fixed_and_complete():
    assert [shape.make for shape in MESSAGES] == list(get_args(Message))
    assert [shape.number for shape in MESSAGES] == list(range(1, 12))
    assert [shape.make for shape in QUERIES] == list(get_args(Query))
    assert [shape.number for shape in QUERIES] == [1, 2, 3, 4]
    assert (shapes.POSITION.number, CHANGE.number) == (None, None)


ROW = [7, b"p", 0, 0, 0, 0, b"", b"", b"", 0]


def test_read_and_row():
    change = Change(7, "p", messages.Kind.ABSENT)
    assert CHANGE.read(ROW) == change
    assert CHANGE.row(change) == ROW


@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        (None, "Change: is not an array of its 10 fields"),
        (tuple(ROW), "Change: is not an array of its 10 fields"),
        (ROW[:-1], "Change: is not an array of its 10 fields"),
        ([*ROW, 0], "Change: is not an array of its 10 fields"),
        ([0, *ROW[1:]], "Change.seq: 0 is not a whole number from 1 to 9223372036854775807"),
        ([*ROW[:2], 9, *ROW[3:]], "Change.kind: 9 is not a known Kind"),
        ([*ROW[:3], 1, *ROW[4:]], "Change: what is absent has no mode and no time"),
    ],
)
def test_an_error_names_message_field_and_reason(row, sentence):
    with pytest.raises(BadMessage) as caught:
        CHANGE.read(row)
    assert caught.value.detail == sentence


@pytest.mark.parametrize("value", [None, 10, [], {}, b"\x0a", "x"])
def test_a_message_is_an_array_that_begins_with_its_number(value):
    with pytest.raises(BadMessage, match="message: is not an array that begins with its number"):
        MESSAGE(value)


@pytest.mark.parametrize("number", [0, 12, -1, True, 1.0, None, "Ack", [10]])
def test_unknown_numbers(number):
    with pytest.raises(BadMessage, match="message: has a number that this protocol does not have"):
        MESSAGE([number, 5])
