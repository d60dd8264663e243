import hashlib

import pytest

from pyzsync.classic.blueprint import Copy, get_blueprint, numbers_by_run, read_instructions
from pyzsync.classic.errors import BadHashlist, BadInstructions, BlueprintIncomplete
from pyzsync.classic.steps import CHUNK

A, B, C = (hashlib.md5(name).digest() for name in (b"a", b"b", b"c"))


def test_one_instruction_a_block():
    delta = {7: [(3, A), (0, A)], 5: [(1, B, 64)], 6: [(2, C, 0)], 4: [(4, C, None, 3)]}
    instructions, missing = get_blueprint(delta, 5)
    assert instructions == [(0, 7, A), 64, 0, (3, 7, A), (4, 4, C, 3)]
    assert missing == [0, 3, 4]


def test_a_short_block_that_was_found():
    assert get_blueprint({7: [(0, A, 12, 3)]}, 1) == ([(12, 3)], [])


def test_an_empty_file():
    assert get_blueprint({}, 0) == ([], [])


def test_a_delta_that_lacks_blocks():
    with pytest.raises(BlueprintIncomplete) as caught:
        get_blueprint({7: [(1, A)]}, 4)
    assert (caught.value.numbers, caught.value.total) == ((0, 2, 3), 4)


def test_a_delta_that_tells_too_much():
    with pytest.raises(BadHashlist, match="only 1 blocks"):
        get_blueprint({7: [(0, A), (1, A)]}, 1)
    with pytest.raises(BadHashlist, match="listed twice"):
        get_blueprint({7: [(0, A), (0, B)]}, 2)


def test_neighbours_on_both_sides_are_copied_at_once():
    plan = read_instructions([0, 8, (2, 9, A), 24, 8, 16, (40, 3)], 8)
    assert plan.copies == [Copy(0, 0, 16), Copy(24, 24, 8), Copy(32, 8, 16), Copy(48, 40, 3)]
    assert (plan.length, plan.count, plan.missing) == (51, 7, {2: A})


def test_a_short_last_block_that_follows_is_copied_with_the_rest():
    assert read_instructions([0, 8, (16, 3)], 8).copies == [Copy(0, 0, 19)]


def test_a_copy_has_a_chunk_at_most():
    count = 2 * CHUNK // 4096
    plan = read_instructions([4096 * n for n in range(count)], 4096)
    assert plan.copies == [Copy(0, 0, CHUNK), Copy(CHUNK, CHUNK, CHUNK)]


@pytest.mark.parametrize(
    "instructions",
    [[None], ["x"], [-1], [(5,)], [(1, 7, A)], [(0, 7, "x")], [(0, 9)], [(0, 0)], [(0, 3), 8]],
)
def test_bad_instructions(instructions):
    with pytest.raises(BadInstructions):
        read_instructions(instructions, 8)


def test_runs_of_numbers():
    assert list(numbers_by_run([1, 2, 3, 7, 5, 6], 4096)) == [(1, 3), (7, 1), (5, 2)]
    assert list(numbers_by_run([], 4096)) == []
    assert list(numbers_by_run([0, 1, 2], 2 * CHUNK)) == [(0, 1), (1, 1), (2, 1)]
    assert list(numbers_by_run(range(5), CHUNK // 2)) == [(0, 2), (2, 2), (4, 1)]
