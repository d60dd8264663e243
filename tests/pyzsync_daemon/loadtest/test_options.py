import pytest

from pyzsync_daemon.loadtest.options import HERDS, BadOptions, Options


def test_the_defaults_and_the_herds_can_be_done():
    Options().check()
    Options(changes=HERDS, memory=True, fair=10**9).check()


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"changes": ("edit", "tidy")}, "no such change: tidy; there are append, edit,"),
        ({"clients": 5, "slow": 5}, "5 of 5 clients do not read: nobody is left"),
        ({"fair": 1000}, "--fair needs --memory: every client holds the large file"),
        ({"change_size": 11, "file_size": 10}, "--change-size is more than --file-size"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_sentence(wrong, sentence):
    with pytest.raises(BadOptions) as caught:
        Options(**wrong).check()
    assert str(caught.value).startswith(sentence)
