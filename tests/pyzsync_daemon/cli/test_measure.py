import json
import os
import random

import pytest

from pyzsync import kernel
from pyzsync_daemon.cli.measure import hash_file, plan, show_blueprint, show_hashlist
from pyzsync_daemon.errors import NotAFile

BYTES = random.Random(5).randbytes(200_000)


@pytest.fixture
def pair(tmp_path):
    def pair(old, new):
        (tmp_path / "old").write_bytes(old)
        (tmp_path / "new").write_bytes(new)
        return tmp_path / "old", tmp_path / "new"

    return pair


def test_hashlist_keys(pair, capsys):
    _, new = pair(b"", BYTES)
    show_hashlist(new, as_json=True)
    told = json.loads(capsys.readouterr().out)
    tree, _ = hash_file(new)
    assert told.pop("seconds") >= 0
    assert told == {
        "version": tree.version.hex(),
        "length": 200_000,
        "leaf_size": 512,
        "leaves": 391,
        "kernel": kernel.name,
    }


def test_hashlist_for_people(pair, capsys):
    _, new = pair(b"", b"")
    show_hashlist(new, as_json=False)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["version", "length", "leaves", "time"]
    assert lines[1] == "length   0 (0 B)"


def test_what_has_no_bytes_to_hash_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", "/dev/null"):
        with pytest.raises(NotAFile):
            hash_file(path if path != "/dev/null" else tmp_path.__class__(path))


@pytest.mark.parametrize(
    ("old", "new", "missing", "by"),
    [
        (BYTES, BYTES, 0, "same version"),
        (BYTES, BYTES[:100_000] + b"!" + BYTES[100_001:], 512, "stored tree"),
        (BYTES[:102_400], BYTES[51_200:102_400] + BYTES[:51_200], 0, "stored tree"),
        (BYTES, b"!" + BYTES, 512, "rolled"),
        (b"", BYTES, 200_000, None),
        (BYTES, b"", 0, None),
        (BYTES, bytes(51_200), 51_200, None),
    ],
)
def test_what_each_step_finds(pair, old, new, missing, by):
    found = plan(*pair(old, new))
    assert (found.length, found.old_length) == (len(new), len(old))
    assert found.missing_bytes == missing
    assert found.reused_bytes == len(new) - missing
    assert [step.name for step in found.steps] == ["same version", "stored tree", "rolled"]
    best = max(found.steps, key=lambda step: step.found_bytes)
    assert best.name == by if by else best.found_bytes == 0
    assert sum(step.found_bytes for step in found.steps) == found.reused_bytes
    assert found.missing_leaves == -(-missing // 512)


def test_blueprint_keys(pair, capsys):
    show_blueprint(*pair(BYTES, b"!" + BYTES), as_json=True)
    told = json.loads(capsys.readouterr().out)
    assert {"length", "reused_bytes", "missing_bytes", "seconds", "steps"} <= set(told)
    assert told["steps"][2]["name"] == "rolled"
    assert 512 < told["push_bytes"] < 1200 < told["pull_bytes"] < 6000


def test_blueprint_for_people(pair, capsys):
    show_blueprint(*pair(BYTES, b"!" + BYTES), as_json=False)
    out = capsys.readouterr().out
    assert "199 kB of 200 kB are in old; 512 B (1 leaves) must be fetched." in out
    assert [line.split("  ")[0] for line in out.splitlines()[1:4]] == [
        "same version",
        "stored tree",
        "rolled",
    ]
