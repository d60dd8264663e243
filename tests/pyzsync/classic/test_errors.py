import inspect
import pickle

import pytest

from pyzsync.classic import errors
from pyzsync.errors import PyzsyncError

SENTENCES = [
    (errors.BadBlocksize(0), "blocksize is 0: it must be a whole number from 1 up"),
    (
        errors.BadHashlist(7, (1,), "an entry has 2 to 4 parts"),
        "bad hashlist: an entry has 2 to 4 parts, in entry (1,) of weak sum 7",
    ),
    (
        errors.BadInstructions(3, None, "no such instruction"),
        "bad instruction None for block 3: no such instruction",
    ),
    (
        errors.BlueprintIncomplete((2, 5), 9),
        "the delta lacks 2 of 9 blocks, the first is 2: it was made from another hashlist",
    ),
    (
        errors.FileTooShort(100, 16, 3),
        "the file has 3 of 16 bytes at offset 100: it has changed since it was read; start again",
    ),
    (errors.UnknownBlock(9, None), "the patched file has no block 9"),
    (errors.UnknownBlock(9, 4), "the patched file has no block 9, it has 4 blocks"),
    (
        errors.WrongBlock(1, 16, False),
        "block 1 (16 bytes) is not that of the hashlist, received: fetch it again",
    ),
    (
        errors.WrongBlock(1, 16, True),
        "block 1 (16 bytes) is not that of the hashlist, "
        "copied from the old file, which has changed: fetch this block",
    ),
    (errors.WrongBlockSize(1, 20, 16), "block 1 has 20 bytes, a block has 1 to 16"),
    (
        errors.PatchMismatch((), 7, 5),
        "the file is not the patched file: it has 7 bytes where 5 are right",
    ),
    (
        errors.PatchMismatch((3, 4), 5, 5),
        "the file is not the patched file: 2 blocks are wrong or absent, "
        "the first is 3 (5 bytes where 5 are right): fetch them again",
    ),
]


@pytest.mark.parametrize(("error", "sentence"), SENTENCES, ids=lambda value: str(value)[:40])
def test_sentence(error, sentence):
    assert str(error) == sentence
    assert str(pickle.loads(pickle.dumps(error))) == sentence


def test_every_error_has_its_sentence_here_and_stands_in_the_tree():
    classes = {c for _, c in inspect.getmembers(errors, inspect.isclass)} - {PyzsyncError}
    assert classes - {errors.ClassicError} == {type(error) for error, _ in SENTENCES}
    for error_class in classes:
        assert issubclass(error_class, errors.ClassicError)
        assert error_class.__name__ in errors.__doc__
    assert issubclass(errors.ClassicError, PyzsyncError)
