import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pyzsync.lookup import Lookup

# Few bits, so that values, keys and slots of the bitmap meet.
numbers = st.integers(0, 40).map(lambda n: n * 0x01000193)


@given(st.lists(numbers, min_size=1), st.lists(numbers), st.sampled_from([np.uint32, np.uint64]))
def test_finds_all_and_only_the_keys(keys, values, dtype):
    lookup = Lookup(np.array(keys, dtype=dtype))
    at, index = lookup.find(np.array(values, dtype=dtype))
    assert at.tolist() == [i for i, value in enumerate(values) if value in set(keys)]
    assert lookup.keys[index].tolist() == [values[i] for i in at]
    assert [keys[i] for i in lookup.first] == lookup.keys.tolist()
    assert lookup.keys[lookup.inverse].tolist() == keys


def test_sixty_four_bits_count():
    lookup = Lookup(np.array([1 << 63, 1], dtype=np.uint64))
    at, _ = lookup.find(np.array([0, 1 << 63, (1 << 63) + 1, 1], dtype=np.uint64))
    assert at.tolist() == [1, 3]
