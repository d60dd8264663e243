import pytest

from pyzsync_daemon.errors import (
    CannotListen,
    DaemonError,
    Differs,
    HubRefused,
    HubUnreachable,
    NoMatplotlib,
    NotAFile,
    NotUpToDate,
)


@pytest.mark.parametrize(
    ("error", "sentence", "hint"),
    [
        (
            HubUnreachable("ws://h:1", "Connection refused"),
            "cannot reach the hub at ws://h:1: Connection refused",
            "is the hub running, and is its address right?",
        ),
        (
            HubRefused("ws://h:1", "wrong token", "check the token"),
            "no session with the hub at ws://h:1: wrong token",
            "check the token",
        ),
        (
            CannotListen("0.0.0.0:80", "Permission denied"),
            "cannot listen on 0.0.0.0:80: Permission denied",
            "choose another address with --listen; port 0 picks a free one",
        ),
        (
            NotUpToDate(2, "2 not applied"),
            "the replica is not up to date: 2 not applied",
            "",
        ),
        (
            NoMatplotlib(),
            "matplotlib, which draws the picture, is not installed",
            "pip install 'pyzsync-daemon[plot]', or do without --plot",
        ),
        (NotAFile("/dev"), "/dev is not a regular file", "name a regular file"),
        (Differs("a", "b", "x/y", "12 and 13 bytes"), "a and b differ at x/y: 12 and 13 bytes", ""),
    ],
)
def test_sentence_and_hint(error, sentence, hint):
    assert isinstance(error, DaemonError)
    assert str(error) == sentence
    assert error.hint == hint


def test_facts_are_in_fields():
    error = Differs("a", "b", "x", "what")
    assert (error.left, error.right, error.path, error.what) == ("a", "b", "x", "what")
    assert HubUnreachable("u", "r").reason == HubRefused("u", "r").reason == "r"
    assert NotUpToDate(3, "r").failed == 3
