import io
import random

import pytest

from protocol.limits import MAX_PAYLOAD
from pyzsync import hash_stream
from pyzsync.grid import LEAF, WINDOW
from pyzsync_daemon.cli.predict import Old, Prediction
from pyzsync_daemon.client.pipeline import ASK_DELTA
from pyzsync_daemon.hub.pushes import PUSH_BYTES, QUICK

SMALL = 400  # an announcement, an acknowledgement, a hash or two


def noise(size, seed=0):
    return random.Random(seed).randbytes(size)


def reader(data):
    return lambda offset, size: data[offset : offset + size]


def tree_of(data):
    return hash_stream(io.BytesIO(data).read, len(data))


def predict(old, new):
    """Bytes by push and by pull."""
    prediction = Prediction("name", Old(tree_of(old), reader(old)), tree_of(new), reader(new))
    return prediction.push(), prediction.pull()


def test_nothing_but_news_travels_for_the_same_content():
    push, pull = predict(noise(90_000), noise(90_000))
    assert push < SMALL
    assert pull < SMALL
    assert max(predict(noise(90_000), b"")) < SMALL


def test_an_edit_is_its_leaf_by_push_and_some_hashes_more_by_pull():
    old = noise(3 * WINDOW)
    push, pull = predict(old, old[:999_999] + b"!" + old[1_000_000:])
    assert LEAF < push < LEAF + SMALL
    assert push + 10_000 < pull < push + 40_000


def test_a_file_without_old_bytes_is_its_blocks():
    new = noise(5 * MAX_PAYLOAD)
    push, pull = predict(b"", new)
    assert len(new) < pull < len(new) + 1000
    assert len(new) < push < len(new) + 8000  # hashes were pushed for nothing


@pytest.mark.parametrize("size", [ASK_DELTA // 2, PUSH_BYTES + 10_000])
def test_what_is_too_much_to_push_is_asked_for(size):
    """A small file is pulled, of a large one the delta is asked for."""
    old = noise(4 * size)
    new = noise(size, 1) + old[size:]
    push, pull = predict(old, new)
    assert size < push < size + 8000  # hashes of what differs were pushed
    assert size < pull


def test_a_long_search_is_worth_it():
    old = noise(QUICK.searched + 300_000)
    push, pull = predict(old, b"!" + old)
    assert push < pull
    assert push < 40_000  # mostly pushed hashes


def test_more_new_bytes_than_a_delta_may_have_are_pulled():
    old = noise(2 * WINDOW)
    new = noise(12 * WINDOW, 1) + old
    push, pull = predict(old, new)
    assert 12 * WINDOW < push < pull + 40_000
