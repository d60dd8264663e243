"""Where simulated disks are: in memory if there is room, since every commit syncs them."""

import itertools
import os
import shutil
import tempfile
from pathlib import Path

import pytest

from tests.simulation.world import World

MEMORY = Path("/dev/shm")


def new_place():
    """A directory for one world; the caller removes it."""
    inside = MEMORY if MEMORY.is_dir() and os.access(MEMORY, os.W_OK) else None
    return Path(tempfile.mkdtemp(prefix="pyzsync-sim-", dir=inside))


@pytest.fixture
def worlds():
    """Makes worlds, and ends them."""
    made, place, numbers = [], new_place(), itertools.count()

    def make(**arguments):
        made.append(World(place / str(next(numbers)), **arguments))
        return made[-1]

    yield make
    for world in made:
        world.close()
    shutil.rmtree(place)
