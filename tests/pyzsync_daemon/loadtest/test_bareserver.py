import pytest

from protocol.limits import MAX_FRAME
from pyzsync_daemon.loadtest.bareserver import frames_of


@pytest.mark.parametrize("size", [0, 1, MAX_FRAME, MAX_FRAME + 1, 3 * MAX_FRAME + 7])
def test_frames_are_as_many_bytes_as_wanted_and_as_large_as_the_hubs(size):
    frames = frames_of(size)
    assert sum(map(len, frames)) == size
    assert all(0 < len(frame) <= MAX_FRAME for frame in frames)
    assert len(frames) == -(-size // MAX_FRAME)
