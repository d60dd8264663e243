from typing import get_args

import protocol


def test_all_is_exact():
    public = {name for name, value in vars(protocol).items() if not name.startswith("_")}
    modules = {name for name in public if type(getattr(protocol, name)).__name__ == "module"}
    assert public - modules == set(protocol.__all__)
    assert set(protocol.__all__) == {*protocol.__all__}
    assert sorted(protocol.__all__) == sorted(set(protocol.__all__))


def test_every_message_is_exported():
    for cls in (*get_args(protocol.Message), *get_args(protocol.Query)):
        assert getattr(protocol, cls.__name__) is cls
