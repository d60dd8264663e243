from protocol import runs
from protocol.messages import BlockQuery, DeltaQuery, HashQuery, PublishedQuery
from pyzsync_daemon.weight import weight


def test_a_block_set_weighs_its_leaves():
    assert weight(BlockQuery(bytes(32), 0, runs.encode([(0, 3), (7, 8)]))) == 4 * 512


def test_a_hashlist_weighs_the_widest_entries_of_its_nodes():
    assert weight(HashQuery(bytes(32), 2, 0, runs.whole(4096))) == 4096 * 24


def test_a_delta_weighs_as_much_as_a_window():
    assert weight(DeltaQuery(bytes(32), 32 * b"1")) == 2**21


def test_other_answers_are_small():
    assert weight(PublishedQuery("a", bytes(32))) == 128
