import os

import pytest

from pyzsync_daemon.ignore import Ignore


@pytest.mark.parametrize("path", [".pyzsync", ".pyzsync/state/hub.db", ".pyzsync/x/.pyzsync"])
def test_our_own_files_are_always_hidden(path):
    assert Ignore().hides(path)
    assert Ignore(["!.pyzsync"]).hides(path)


@pytest.mark.parametrize(
    "path", ["a/.pyzsync", ".pyzsync2", ".git/config", "x.swp", "__pycache__/m"]
)
def test_without_rules_nothing_else_is(path):
    assert not Ignore().hides(path)
    assert not Ignore().ignores(path, directory=True)


def test_rules_are_those_of_gitignore():
    ignore = Ignore(["# comment", "", "*.o", "build/", "/top", "!keep.o", "a/**/z"])
    assert ignore.ignores("x/y.o", directory=False)
    assert not ignore.ignores("keep.o", directory=False)
    assert ignore.ignores("build", directory=True)
    assert not ignore.ignores("build", directory=False)
    assert ignore.ignores("top", directory=False)
    assert not ignore.ignores("sub/top", directory=False)
    assert ignore.ignores("a/b/c/z", directory=False)


def test_everything_below_an_ignored_directory_is_hidden():
    ignore = Ignore(["build/", "!build/keep"])
    assert ignore.hides("build/keep")
    assert ignore.hides("src/build/a/b/c")
    assert not ignore.hides("build")  # it may be a file; a scan looks


def test_names_that_are_not_utf8():
    name = os.fsdecode(b"d/\xff\xfe.o")
    assert Ignore(["*.o"]).hides(name)
    assert not Ignore(["*.x"]).hides(name)
