from benchmarks import peers
from benchmarks.peers import TOOLS, Peers, rsync_bytes

NONE = Peers({}, "")
ALL = Peers({name: f"/usr/bin/{name}" for name in TOOLS}, "/peer/python")


def test_who_is_missing_is_named():
    assert NONE.missing == [*TOOLS, "pyzsync 1.5.4"]
    assert ALL.missing == []
    assert ALL.has("rsync", "nginx")
    assert not NONE.has("rsync")


def test_rsync_counts_both_directions():
    output = "Number of files: 1\nTotal bytes sent: 1,234\nTotal bytes received: 5,000,000\n"
    assert rsync_bytes(output) == {"bytes": 5_001_234}


def test_only_who_is_installed_is_asked(tmp_path):
    old, new = tmp_path / "old", tmp_path / "new"
    old.write_bytes(bytes(5000))
    new.write_bytes(bytes(5000))
    for found, count in ((NONE, 0), (ALL, 11)):
        contenders = [
            *peers.hashing(found, new, tmp_path),
            *peers.searching(found, old, new, tmp_path),
            *peers.deltas(found, old, new, tmp_path),
            *peers.rsyncs(found, "rsync://host/files", old, tmp_path),
            *peers.zsyncs(found, "http://host", old, tmp_path, lambda: 7),
        ]
        assert len({each.name for each in contenders}) == len(contenders) == count


def test_rsync_begins_with_the_old_file_each_time(tmp_path):
    old = tmp_path / "old"
    old.write_bytes(b"old bytes")
    (tmp_path / "new").write_bytes(b"what it made of them")
    peers.rsyncs(ALL, "rsync://host/files", old, tmp_path)[0].before()
    assert (tmp_path / "new").read_bytes() == b"old bytes"


def test_the_other_package_never_sees_ours(tmp_path):
    commands = [each.command for each in peers.hashing(ALL, tmp_path / "new", tmp_path)]
    assert ["/peer/python", "-I", "-m", "pyzsync"] in [list(command[:4]) for command in commands]
