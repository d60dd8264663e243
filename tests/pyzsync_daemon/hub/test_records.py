import os

from hypothesis import given
from hypothesis import strategies as st

from protocol.messages import Change, Flag, Kind
from pyzsync_daemon.files.root import Fingerprint
from pyzsync_daemon.hub.records import Record, chain, same_entry, to_record, to_row

names = st.binary(min_size=1, max_size=20).map(os.fsdecode)
times = st.integers(-(2**63), 2**63 - 1)
changes = st.builds(
    Change,
    seq=st.integers(0, 2**63 - 1),
    path=names,
    kind=st.sampled_from(Kind),
    mode=st.integers(0, 0o777),
    mtime_ns=times,
    size=st.integers(0, 2**63 - 1),
    version=st.binary(max_size=32),
    target=names,
    follows=st.binary(max_size=32),
    flags=st.sampled_from(Flag),
)
fingerprints = st.builds(
    Fingerprint,
    ino=st.integers(0, 2**64 - 1),
    size=st.integers(0, 2**63 - 1),
    mtime_ns=times,
    ctime_ns=times,
    mode=st.integers(0, 2**32 - 1),
)
records = st.builds(Record, changes, st.none() | fingerprints, st.booleans())


@given(records)
def test_a_record_survives_its_row(record):
    row = to_row(record)
    assert to_record(row[:-1]) == record
    assert os.fsdecode(row[-1]) == record.change.path.rpartition("/")[0]


@given(st.lists(changes, max_size=3), st.lists(changes, max_size=3))
def test_heads_are_equal_only_for_equal_batches(left, right):
    assert (chain(bytes(32), left) == chain(bytes(32), right)) is (left == right)
    assert chain(bytes(32), left) != chain(bytes(31) + b"x", left)


@given(changes)
def test_numbers_in_the_log_are_not_part_of_an_entry(change):
    other = Change(
        change.seq + 1,
        change.path,
        change.kind,
        change.mode,
        change.mtime_ns,
        change.size,
        change.version,
        change.target,
        b"other",
        change.flags,
    )
    assert same_entry(change, other)
