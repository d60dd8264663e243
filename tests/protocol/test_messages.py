from dataclasses import FrozenInstanceError, fields, is_dataclass
from typing import get_args

import pytest

from protocol import messages
from protocol.messages import Ack, Blocks, Delta, Hashlist, Message, Query

CLASSES = [cls for cls in vars(messages).values() if is_dataclass(cls)]


def test_values_are_frozen_and_small():
    with pytest.raises(FrozenInstanceError):
        Ack(1).seq = 2
    assert all("__slots__" in vars(cls) for cls in CLASSES)


def test_every_class_has_a_place():
    placed = {*get_args(Message), *get_args(Query), messages.Position, messages.Change}
    assert placed == set(CLASSES)


def test_bulk_bytes_stay_out_of_logs():
    hidden = {(cls, field.name) for cls in CLASSES for field in fields(cls) if not field.repr}
    assert hidden == {(Hashlist, "strong"), (Blocks, "data"), (Delta, "data")}
