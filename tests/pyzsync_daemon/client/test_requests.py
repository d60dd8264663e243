import random

import pytest

from protocol import runs
from protocol.errors import BadMessage, Code
from protocol.limits import MAX_QUERIES
from protocol.messages import Coding, Failed, HashQuery, Published, PublishedQuery
from pyzsync_daemon.client.requests import Requests, key
from pyzsync_daemon.weight import weight
from tests.pyzsync_daemon.client.values import (
    LEAF,
    block_query,
    blocks,
    delta,
    delta_query,
    hash_query,
    hashlist,
    version,
)


def make(max_queries=256, max_bytes=2**24):
    requests = Requests(max_bytes)
    requests.max_queries = max_queries
    return requests


def taken(requests):
    return [query for get in requests.take() for query in get.queries]


# --- taking turns ---


def test_nothing_is_asked_before_the_hub_says_how_much():
    requests = Requests(2**20)
    requests.want("a", [block_query()])
    assert requests.take() == []


def test_a_path_with_five_thousand_windows_does_not_delay_one_with_one():
    requests = make(max_queries=8)
    big = [block_query(1, window) for window in range(5000)]
    requests.want("big", big)
    assert taken(requests) == big[:8]
    requests.want("small", [block_query(2)])
    for query in big[:2]:
        requests.answered(blocks(query))
    assert taken(requests) == [big[8], block_query(2)]


def test_paths_take_turns():
    requests = make()
    requests.want("a", [block_query(1, window) for window in range(3)])
    requests.want("b", [block_query(2, window) for window in range(2)])
    order = [(query.version[0], query.window) for query in taken(requests)]
    assert order == [(1, 0), (2, 0), (1, 1), (2, 1), (1, 2)]


def test_a_thousand_small_files_travel_in_four_messages():
    requests = make(max_queries=1024)
    for number in range(1000):
        requests.want(str(number), [hash_query(since=number.to_bytes(32, "big"))])
    gets = requests.take()
    assert [len(get.queries) for get in gets] == [MAX_QUERIES] * 3 + [1000 - 3 * MAX_QUERIES]


def test_wanting_nothing_takes_no_turn():
    requests = make()
    requests.want("a", [])
    assert requests.take() == []


# --- bounds ---


def test_no_more_queries_than_allowed_are_unanswered():
    requests = make(max_queries=3)
    requests.want("a", [block_query(1, window) for window in range(5)])
    assert len(taken(requests)) == 3
    assert taken(requests) == []
    requests.answered(Failed(block_query(1, 0), Code.GONE))
    assert taken(requests) == [block_query(1, 3)]


def test_bytes_in_flight_are_bounded():
    requests = make(max_bytes=10 * LEAF)
    requests.want("a", [block_query(1, window, leaves=4) for window in range(4)])
    assert len(taken(requests)) == 2
    assert requests.bytes == 8 * LEAF


def test_one_query_is_allowed_however_heavy():
    requests = make(max_bytes=LEAF)
    requests.want("a", [block_query(1, 0, leaves=4096), block_query(1, 1)])
    assert taken(requests) == [block_query(1, 0, leaves=4096)]
    assert taken(requests) == []


def test_a_block_set_counts_until_it_is_staged():
    requests = make(max_bytes=LEAF)
    requests.want("a", [block_query(1, 0), block_query(1, 1)])
    taken(requests)
    requests.answered(blocks(block_query(1, 0)))
    assert taken(requests) == []
    requests.staged("a", block_query(1, 0))
    assert taken(requests) == [block_query(1, 1)]


def test_what_is_dropped_after_it_came_counts_no_more():
    requests = make()
    requests.want("a", [block_query()])
    taken(requests)
    requests.answered(blocks(block_query()))
    requests.drop("a")
    assert requests.bytes == 0


def test_what_nobody_wants_counts_until_it_has_come():
    requests = make(max_bytes=LEAF)
    requests.want("a", [block_query()])
    taken(requests)
    requests.drop("a")
    assert requests.bytes == LEAF
    asked = requests.answered(blocks(block_query()))
    assert (asked.owner, requests.bytes) == ("", 0)


def test_a_query_is_not_asked_twice_at_a_time():
    requests = make()
    requests.want("a", [block_query()])
    taken(requests)
    requests.drop("a")
    requests.want("b", [block_query(), block_query(2)])
    requests.want("c", [block_query(3)])
    assert taken(requests) == [block_query(3)]  # b goes on in its order
    requests.answered(blocks(block_query()))
    assert taken(requests) == [block_query(), block_query(2)]


# --- matching answers ---


def test_an_answer_finds_its_owner_once():
    requests = make()
    query = PublishedQuery("a", version(1))
    requests.want("a", [query])
    taken(requests)
    assert requests.answered(Published(query, True)).owner == "a"
    assert requests.answered(Published(query, True)) is None


def test_an_incremental_hashlist_is_matched_though_it_lists_fewer_nodes():
    requests = make()
    query = hash_query(nodes=8, since=version(9))
    requests.want("a", [query])
    taken(requests)
    fewer = HashQuery(query.version, 0, 0, runs.encode([(3, 4)]), version(9))
    asked = requests.answered(hashlist(fewer))
    assert (asked.owner, asked.query) == ("a", query)


def test_two_parts_of_an_incremental_window_are_asked_one_after_the_other():
    requests = make()
    left = HashQuery(version(1), 0, 0, runs.encode([(0, 4)]), version(9))
    right = HashQuery(version(1), 0, 0, runs.encode([(4, 8)]), version(9))
    requests.want("a", [left, right])
    assert taken(requests) == [left]
    requests.answered(hashlist(HashQuery(version(1), 0, 0, b"", version(9))))
    assert taken(requests) == [right]


def test_the_nodes_of_an_absolute_hashlist_are_part_of_its_key():
    assert key(hash_query(nodes=1)) != key(hash_query(nodes=2))
    assert key(hash_query(nodes=1, since=version(2))) == key(hash_query(nodes=2, since=version(2)))
    assert key(block_query(1, 2, 3)) == block_query(1, 2, 3)


def test_a_block_set_is_whole_with_its_last_part_in_any_order():
    requests = make()
    query = block_query(leaves=4)
    requests.want("a", [query])
    taken(requests)
    for part in (2, 0):
        assert requests.answered(blocks(query, part, 3)).owner == "a"
        assert taken(requests) == []
    assert requests.answered(blocks(query, 1, 3)).owner == "a"
    assert requests.answered(blocks(query, 1, 3)) is None


@pytest.mark.parametrize("owned", [True, False])
def test_a_part_that_comes_twice_ends_the_conversation(owned):
    requests = make()
    query = block_query(leaves=4)
    requests.want("a", [query])
    taken(requests)
    if not owned:
        requests.drop("a")
    requests.answered(blocks(query, 1, 4))
    with pytest.raises(BadMessage) as caught:
        requests.answered(blocks(query, 1, 4))
    assert caught.value.detail == "Blocks.part: 1 has come before"


@pytest.mark.parametrize(
    "changed",
    [
        {"parts": 5},
        {"size": 3 * LEAF + 1},
        {"coding": Coding.ZSTD},
        {"gone": runs.encode([(0, 1)])},
    ],
)
def test_parts_that_do_not_belong_together_end_the_conversation(changed):
    requests = make()
    query = block_query(leaves=4)
    requests.want("a", [query])
    taken(requests)
    requests.answered(blocks(query, 0, 4))
    with pytest.raises(BadMessage) as caught:
        requests.answered(blocks(query, **{"part": 1, "parts": 4, **changed}))
    assert caught.value.detail == "Blocks: is not like the part before it"


# --- connections ---


def test_after_a_cut_what_was_asked_is_asked_first_and_in_order():
    requests = make(max_queries=3)
    queries = [block_query(1, window) for window in range(5)]
    requests.want("a", queries)
    assert taken(requests) == queries[:3]
    requests.answered(blocks(queries[1]))
    requests.lost()
    assert taken(requests) == []
    requests.max_queries = 9
    assert taken(requests) == [queries[0], queries[2], queries[3], queries[4]]


def test_after_a_cut_parts_are_counted_anew():
    requests = make()
    query = block_query(leaves=4)
    requests.want("a", [query])
    taken(requests)
    requests.answered(blocks(query, 0, 2))
    requests.lost()
    requests.max_queries = 9
    assert taken(requests) == [query]
    requests.answered(blocks(query, 0, 4))
    assert requests.bytes == 4 * LEAF


def test_after_a_cut_nobodys_queries_are_not_asked_again():
    requests = make()
    requests.want("a", [block_query()])
    taken(requests)
    requests.drop("a")
    requests.lost()
    requests.max_queries = 9
    assert (taken(requests), requests.bytes) == ([], 0)


@pytest.mark.parametrize("seed", range(40))
def test_the_bounds_hold_and_everything_is_asked_in_the_end(seed):
    chance = random.Random(seed)
    max_queries, max_bytes = chance.randint(1, 6), chance.randint(1, 40) * LEAF
    requests = make(max_queries, max_bytes)
    todo = {}
    for number in range(chance.randint(1, 5)):
        mine = [block_query(number, w, chance.randint(1, 30)) for w in range(chance.randint(1, 6))]
        todo |= dict.fromkeys(mine, str(number))
        requests.want(str(number), mine)
    asked, held = [], []
    while todo or asked or held:
        asked += taken(requests)
        assert len(asked) <= max_queries
        under_way = asked + held
        assert sum(map(weight, under_way)) == requests.bytes
        assert requests.bytes <= max_bytes or len(under_way) == 1
        if asked and chance.random() < 0.5:
            query = asked.pop(chance.randrange(len(asked)))
            assert requests.answered(blocks(query)).owner == todo.pop(query)
            held.append(query)
        elif held:
            query = held.pop()
            requests.staged(str(query.version[0]), query)


# --- deltas ---


def asked_delta(parts_that_came=(), max_bytes=2**24):
    requests = make(max_bytes=max_bytes)
    requests.want("a", [delta_query()])
    assert taken(requests) == [delta_query()]
    for part in parts_that_came:
        assert requests.answered(delta(delta_query(), part, 4)).owner == "a"
    return requests


def test_a_delta_counts_until_its_last_part_is_staged():
    requests = asked_delta(range(4))
    assert requests.bytes == weight(delta_query())
    requests.staged("a", delta_query())
    assert requests.bytes == 0


def test_after_a_cut_the_rest_of_a_delta_is_asked_for():
    requests = asked_delta(range(3))
    requests.lost()
    requests.max_queries = 9
    assert taken(requests) == [delta_query(first=3)]
    assert requests.answered(delta(delta_query(), 3, 4)).owner == "a"
    assert requests.answered(delta(delta_query(), 3, 4)) is None


def test_a_delta_that_is_pushed_again_after_a_cut_gives_the_missing_parts():
    requests = asked_delta(range(2))
    requests.lost()
    requests.max_queries = 9
    taken(requests)
    came = [requests.answered(delta(delta_query(), part, 4)) for part in range(4)]
    assert [each is not None for each in came] == [False, False, True, True]
    # And the answer to the question for the rest finds nobody.
    assert requests.answered(delta(delta_query(), 2, 4)) is None


def test_a_delta_that_is_coded_otherwise_after_a_cut_comes_from_its_beginning():
    requests = asked_delta(range(3))
    requests.lost()
    requests.max_queries = 9
    taken(requests)
    came = [requests.answered(delta(delta_query(), part, 2)) for part in range(2)]
    assert [each.owner for each in came] == ["a", "a"]
    assert requests.answered(delta(delta_query(), 1, 2)) is None


@pytest.mark.parametrize("came", [0, 2, 4])
def test_a_delta_that_is_given_up_is_nobodys_and_counts_no_more(came):
    requests = asked_delta(range(came))
    requests.give_up("a", delta_query())
    for part in range(came, 4):
        assert requests.answered(delta(delta_query(), part, 4)).owner == ""
    assert requests.bytes == 0
    requests.lost()
    requests.max_queries = 9
    assert taken(requests) == []


def test_a_delta_that_waits_to_be_asked_again_is_given_up_too():
    requests = asked_delta(range(1))
    requests.lost()
    requests.want("a", [block_query()])
    requests.give_up("a", delta_query())
    requests.max_queries = 9
    assert taken(requests) == [block_query()]
