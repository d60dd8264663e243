import pytest

from pyzsync_daemon.config import ConfigError
from pyzsync_daemon.config.secrets import read_token


def test_space_around_the_token_is_not_part_of_it(tmp_path):
    (tmp_path / "t").write_bytes(b"  abc.DEF-1 \n")
    assert read_token(tmp_path / "t") == "abc.DEF-1"


@pytest.mark.parametrize("data", [b"", b" \n", b"two words", b"caf\xc3\xa9", b"x" * 4097])
def test_what_is_no_token_is_named_and_not_repeated(tmp_path, data):
    (tmp_path / "t").write_bytes(data)
    with pytest.raises(ConfigError) as caught:
        read_token(tmp_path / "t")
    assert str(caught.value) == (
        f"{tmp_path / 't'}: holds no usable token; "
        "allowed: one token of 1 to 4096 visible ASCII characters"
    )


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ConfigError) as caught:
        read_token(tmp_path / "t")
    assert str(caught.value) == (
        f"{tmp_path / 't'}: cannot be read: No such file or directory; "
        "allowed: a file that holds a token"
    )
