import pytest

from protocol.errors import Code, ProtocolError
from pyzsync.errors import ShortRead
from pyzsync_daemon.cli.app import EXIT_CODES
from pyzsync_daemon.cli.exits import TABLE, Exit, report
from pyzsync_daemon.config import ConfigError, Problem
from pyzsync_daemon.errors import CannotListen, HubRefused, HubUnreachable, NotUpToDate


@pytest.mark.parametrize(
    ("error", "code", "told"),
    [
        (
            ConfigError(Problem("a", what="b"), Problem("c", what="d")),
            Exit.USAGE,
            "pyzsync: a: b\npyzsync: c: d\n"
            "hint: every key, its default and its reason: config.example.toml\n",
        ),
        (
            HubUnreachable("ws://h", "refused"),
            Exit.NO_HUB,
            "pyzsync: cannot reach the hub at ws://h: refused\n"
            "hint: is the hub running, and is its address right?\n",
        ),
        (
            HubRefused("ws://h", "wrong token"),
            Exit.NO_HUB,
            "pyzsync: no session with the hub at ws://h: wrong token\n",
        ),
        (
            ProtocolError(Code.WRONG_HUB, "another hub"),
            Exit.NO_HUB,
            f"pyzsync: another hub; {Code.WRONG_HUB.advice}\n",
        ),
        (
            CannotListen("h:1", "in use"),
            Exit.FAILED,
            "pyzsync: cannot listen on h:1: in use\n"
            "hint: choose another address with --listen; port 0 picks a free one\n",
        ),
        (
            PermissionError(13, "Permission denied", "/x"),
            Exit.FAILED,
            "pyzsync: [Errno 13] Permission denied: '/x'\n",
        ),
    ],
)
def test_class_to_code_and_words(capsys, error, code, told):
    assert report(error) is code
    assert capsys.readouterr() == ("", told)


def test_a_path_of_the_hub_does_not_steer_the_terminal(capsys):
    report(NotUpToDate(1, "1 not applied, first \x1b]0;owned\x07: no"))
    assert capsys.readouterr().err == (
        "pyzsync: the replica is not up to date: 1 not applied, first \\x1b]0;owned\\x07: no\n"
    )


def test_the_algorithms_errors_are_failures():
    assert dict(TABLE)[ShortRead.__base__] is Exit.FAILED


def test_a_bug_keeps_its_traceback():
    with pytest.raises(KeyError):
        report(KeyError("x"))


def test_no_class_hides_a_later_one():
    kinds = [kind for kind, _ in TABLE]
    for number, kind in enumerate(kinds):
        assert not any(issubclass(kind, earlier) for earlier in kinds[:number])


def test_the_help_names_every_code():
    for code in Exit:
        assert f"{code.value} " in EXIT_CODES
