"""Settings shared by all tests."""

import errno
import fcntl
import struct

import pytest
import structlog
from hypothesis import HealthCheck, settings

# Deterministic everywhere: a failure in CI is the failure on the desk. No test asserts a time.
settings.register_profile(
    "project",
    derandomize=True,
    deadline=None,
    max_examples=60,
    suppress_health_check=[HealthCheck.too_slow],
    database=None,
)
settings.load_profile("project")


@pytest.fixture(autouse=True)
def fresh_logs():
    """No test sees the log settings of another."""
    structlog.reset_defaults()


@pytest.fixture
def shared_bytes():
    """How many bytes of an open file lie in blocks that another one has too (FS_IOC_FIEMAP)."""

    def count(fd):
        entries = 64
        header = struct.pack("=QQIIII", 0, 2**63 - 1, 1, 0, entries, 0)  # 1: write it out first
        answer = bytearray(header + bytes(56 * entries))
        try:
            fcntl.ioctl(fd, 0xC020660B, answer)
        except OSError as error:  # one that cannot tell (tmpfs) does not share either
            assert error.errno in (errno.EOPNOTSUPP, errno.ENOTTY)
            return 0
        (found,) = struct.unpack_from("=I", answer, 20)
        assert found < entries
        extents = (struct.unpack_from("=QQQQQI", answer, 32 + 56 * each) for each in range(found))
        return sum(length for _, _, length, _, _, flags in extents if flags & 0x2000)

    return count


@pytest.fixture
def reflinks(tmp_path):
    """Can the file system of ``tmp_path`` share blocks? Asked by FICLONE itself."""
    (tmp_path / "one").write_bytes(bytes(4096))
    with (tmp_path / "one").open("rb") as source, (tmp_path / "two").open("wb") as target:
        try:
            fcntl.ioctl(target, 0x40049409, source.fileno())
        except OSError:
            return False
    return True
