import types

import pyzsync
from pyzsync import classic


def test_all_is_exact():
    public = {
        name
        for name, value in vars(pyzsync).items()
        if not name.startswith("_") and not isinstance(value, types.ModuleType)
    }
    assert set(pyzsync.__all__) == public
    assert len(set(pyzsync.__all__)) == len(pyzsync.__all__)
    assert set(classic.__all__) <= public


def test_every_public_class_and_function_says_what_it_is():
    for name in pyzsync.__all__:
        value = getattr(pyzsync, name)
        if isinstance(value, type | types.FunctionType):
            assert value.__doc__, name
