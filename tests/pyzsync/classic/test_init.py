import pyzsync
from pyzsync import classic


def test_all_is_exact():
    public = {name for name, value in vars(classic).items() if not name.startswith("_")}
    modules = {name for name in public if type(getattr(classic, name)) is type(classic)}
    assert set(classic.__all__) == public - modules
    assert classic.__all__ == sorted(classic.__all__, key=lambda name: (not name.isupper(), name))


def test_the_library_exports_all_of_it():
    assert all(getattr(pyzsync, name) is getattr(classic, name) for name in classic.__all__)
