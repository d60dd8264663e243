import pytest

from pyzsync_daemon.units import format_bytes, format_seconds, parse_bytes, printable


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("0", 0),
        ("4096", 4096),
        ("64 KiB", 65536),
        ("64kib", 65536),
        (" 1 MB ", 1_000_000),
        ("1.5 GiB", 1_610_612_736),
        ("2TB", 2_000_000_000_000),
        ("9007199254740993", 9007199254740993),  # more than a float can hold
    ],
)
def test_reads_amounts(text, count):
    assert parse_bytes(text) == count


@pytest.mark.parametrize("text", ["", "MiB", "-1", "1 Mob", "1 KiB more", "1e3", "٣"])
def test_refuses_what_is_no_amount(text):
    with pytest.raises(ValueError, match="is not an amount of bytes"):
        parse_bytes(text)


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (9949, "9.9 kB"),
        (9950, "10 kB"),
        (999_499, "999 kB"),
        (999_500, "1.0 MB"),
        (1_360_000_000, "1.4 GB"),
        (2_500_000_000_000_000, "2500 TB"),
    ],
)
def test_writes_three_figures_at_most(count, text):
    assert format_bytes(count) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.0, "0 ms"), (0.0123, "12 ms"), (0.9996, "1.0 s"), (61.25, "61.2 s")]
)
def test_writes_times(seconds, text):
    assert format_seconds(seconds) == text


def test_nothing_foreign_steers_the_terminal():
    assert printable("plain, and übung") == "plain, and übung"
    assert printable("\x1b]0;owned\x07\u202e\udcff\n") == r"\x1b]0;owned\x07\u202e\udcff\n"
