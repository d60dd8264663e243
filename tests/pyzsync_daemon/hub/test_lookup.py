import pytest

from protocol.messages import Change, Kind
from pyzsync_daemon.hub.index import HubIndex
from pyzsync_daemon.hub.lookup import PAGE
from pyzsync_daemon.hub.records import Record


@pytest.fixture
def index(tmp_path):
    opened = HubIndex(tmp_path / "hub.db")
    yield opened
    opened.close()


def test_more_than_a_page(index):
    paths = [f"f{number:04}" for number in range(2 * PAGE + 1)]
    index.commit([Record(Change(0, path, Kind.FILE, version=bytes(32))) for path in paths])
    assert [record.change.path for record in index.entries()] == paths
    assert sorted(index.known(paths)) == paths
    assert [change.path for change in index.snapshot("", 3)] == paths[:3]
    assert index.known([]) == {}


def test_reading_costs_one_query_a_page(index):
    paths = [f"d/f{number}" for number in range(PAGE)]
    index.commit([Record(Change(0, path, Kind.FILE, version=bytes(32))) for path in paths])
    queries = []
    index._connection.set_trace_callback(queries.append)
    index.known(paths)
    index.children("d")
    index.subtree("d")
    assert len(queries) == 3


@pytest.mark.parametrize(
    "ask",
    [
        lambda index: index.children("d"),
        lambda index: index.subtree("d"),
        lambda index: index.since(0, 10),
        lambda index: index.snapshot("", 10),
        lambda index: index.path_of(bytes(32)),
        lambda index: index.paths_once(bytes(32)),
        lambda index: index.published("d", bytes(32)),
    ],
)
def test_questions_are_answered_by_an_index(index, ask):
    queries = []
    index._connection.set_trace_callback(queries.append)
    ask(index)
    index._connection.set_trace_callback(None)
    for query in queries:
        plan = index.select(f"EXPLAIN QUERY PLAN {query}")
        assert not [row for row in plan if row[-1].startswith("SCAN")], (query, plan)


def file(path, number):
    return Record(Change(0, path, Kind.FILE, version=bytes([number]) * 32))


def test_the_versions_that_a_replica_holds_are_those_that_were_replaced_first_since(index):
    ends = [index.commit([file("a", number), file("b", 1)]).position.seq for number in (1, 2, 3)]
    index.commit([Record(Change(0, "a", Kind.ABSENT))])
    deleted = index.position().seq
    index.commit([file("a", 4)])
    held = [index.held(["a", "b", "c"], seq) for seq in [*ends, deleted, index.position().seq]]
    assert held[:3] == [{"a": bytes([number]) * 32} for number in (1, 2, 3)]
    assert held[3:] == [{}, {}]
    assert index.held([], 0) == {}


def test_versions_in_use_and_those_of_the_past(index):
    index.commit([file("a", 1), file("b", 1), file("c", 2)])
    index.commit([file("a", 3), Record(Change(0, "c", Kind.ABSENT))])
    index.commit([file("a", 4)])
    every = {bytes([number]) * 32 for number in range(6)}
    assert index.in_use(every) == {bytes([1]) * 32, bytes([4]) * 32}
    assert index.versions_once()[0] == bytes([3]) * 32
    assert set(index.versions_once()) == {bytes([number]) * 32 for number in (1, 2, 3)}


def test_paths_of_many_versions_are_one_query_a_page(index):
    versions = [number.to_bytes(32) for number in range(PAGE + 1)]
    records = [Record(Change(0, each.hex(), Kind.FILE, version=each)) for each in versions]
    index.commit([*records, Record(Change(0, "again", Kind.FILE, version=versions[0]))])
    queries = []
    index._connection.set_trace_callback(queries.append)
    paths = index.paths_of([*versions, 32 * b"u"])
    assert len(queries) == 2
    assert paths.pop(versions[0]) in ("again", versions[0].hex())
    assert paths == {each: each.hex() for each in versions[1:]}
