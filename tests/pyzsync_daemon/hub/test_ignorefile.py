import os
from pathlib import Path

import pytest

from pyzsync_daemon.files.root import Root
from pyzsync_daemon.hub.ignorefile import IGNORE_FILE, MAX_BYTES, BadIgnoreFile, read_ignore_file


@pytest.fixture
def root(tmp_path):
    with Root(tmp_path) as opened:
        yield opened


def test_its_lines(root):
    assert read_ignore_file(root) == []
    (root.path / IGNORE_FILE).write_text("*.o\n# é\n\nbuild/\n")
    assert read_ignore_file(root) == ["*.o", "# é", "", "build/"]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"\xff\n", "is not UTF-8 text"),
        (b"ok\n!\n", "has no pattern in line 2: Invalid git pattern: '!'"),
        (b"\n" * (MAX_BYTES + 1), f"is longer than {MAX_BYTES} bytes"),
    ],
)
def test_what_cannot_be_used_is_named(root, content, reason):
    (root.path / IGNORE_FILE).write_bytes(content)
    with pytest.raises(BadIgnoreFile) as caught:
        read_ignore_file(root)
    assert str(caught.value) == f"{root.path / IGNORE_FILE} {reason}"


@pytest.mark.parametrize(
    "make", [os.mkfifo, Path.mkdir, lambda path: path.symlink_to("/etc/fstab")]
)
def test_only_a_file_is_read_and_nothing_is_waited_for(root, make):
    make(root.path / IGNORE_FILE)
    with pytest.raises(BadIgnoreFile):
        read_ignore_file(root)
