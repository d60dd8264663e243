from dataclasses import replace

from protocol import runs
from protocol.errors import Code
from protocol.messages import Failed, HashQuery
from pyzsync_daemon.client.effects import Apply, Finish, Match, Plan, Put, Reuse
from pyzsync_daemon.client.transfer import FIRST_PAUSE, MAX_BAD_SETS, MAX_REFUSALS, Transfer
from tests.pyzsync_daemon.client.values import (
    block_query,
    blocks,
    delta,
    delta_query,
    file,
    hash_query,
    hashlist,
    version,
)

CHANGE = file("a", size=2048)


def follow(*queries, hashes=()):
    transfer = Transfer(CHANGE)
    return transfer, transfer.follow(Plan(tuple(hashes), tuple(queries)))


def test_hashes_are_fetched_before_blocks():
    _transfer, asked = follow(block_query(), hashes=[hash_query()])
    assert asked == (hash_query(),)


def test_a_match_is_due_when_all_hashlists_are_here():
    one, two = hash_query(window=0), hash_query(window=1)
    transfer, _ = follow(hashes=[one, two])
    transfer.hashlist(two, hashlist(two))
    assert transfer.next_step() is None
    transfer.hashlist(one, hashlist(one))
    assert transfer.next_step() == Match(CHANGE, (hashlist(one), hashlist(two)))


def test_an_incremental_hashlist_belongs_to_the_query_that_asked():
    asked = hash_query(nodes=4, since=version(9))
    fewer = HashQuery(asked.version, 0, 0, runs.encode([(2, 3)]), version(9))
    transfer, _ = follow(hashes=[asked])
    transfer.hashlist(asked, hashlist(fewer))
    assert transfer.next_step() == Match(CHANGE, (hashlist(fewer),))


def test_a_hashlist_that_was_not_asked_for_changes_nothing():
    transfer, _ = follow(hashes=[hash_query()])
    transfer.hashlist(hash_query(2), hashlist(hash_query(2)))
    assert transfer.next_step() is None


def test_a_put_is_due_when_all_parts_are_here_in_their_order():
    query = block_query(leaves=3)
    transfer, _ = follow(query)
    for part in (2, 0):
        transfer.blocks(blocks(query, part, 3))
        assert transfer.next_step() is None
    last = blocks(query, 1, 3)
    transfer.blocks(last)
    data = tuple(blocks(query, part, 3).data for part in range(3))
    assert transfer.next_step() == Put(CHANGE, query, last.coding, last.size, b"", data)


def test_one_step_at_a_time_and_finish_when_none_is_left():
    one, two = block_query(window=0), block_query(window=1)
    transfer, _ = follow(one, two)
    transfer.blocks(blocks(one))
    transfer.blocks(blocks(two))
    transfer.busy = True
    assert transfer.next_step() is None
    transfer.busy = False
    first, second = transfer.next_step(), transfer.next_step()
    assert (first.query, second.query) == (one, two)
    assert transfer.put(first, Plan(), 0.0) == ()
    assert transfer.next_step() == Finish(CHANGE)


def test_the_next_window_comes_when_one_is_done():
    one, two = block_query(window=0), block_query(window=1)
    transfer, _ = follow(one)
    transfer.blocks(blocks(one))
    assert transfer.put(transfer.next_step(), Plan(blocks=(two,)), 0.0) == (two,)
    assert transfer.next_step() is None
    for _ in range(MAX_BAD_SETS):
        assert transfer.hopeless == ""
        transfer.blocks(blocks(two))
        transfer.put(transfer.next_step(), Plan(blocks=(two,)), 0.0)
    assert transfer.hopeless == "the hub's blocks do not verify"


def test_old_bytes_are_staged_before_the_first_set_is_put():
    transfer = Transfer(CHANGE)
    query = block_query()
    assert transfer.follow(Plan(blocks=(query,), reuse=True)) == (query,)
    transfer.blocks(blocks(query))
    assert transfer.next_step() == Reuse(CHANGE)
    assert isinstance(transfer.next_step(), Put)


def test_all_found_is_staged_and_finished():
    transfer = Transfer(CHANGE)
    assert transfer.follow(Plan(reuse=True)) == ()
    assert [transfer.next_step(), transfer.next_step()] == [Reuse(CHANGE), Finish(CHANGE)]


def test_wrong_copies_beside_what_was_asked_are_not_the_hubs_fault():
    query, others = (
        replace(block_query(), leaves=runs.encode([leaves])) for leaves in ((0, 2), (5, 9))
    )
    transfer, _ = follow(query)
    for _ in range(MAX_BAD_SETS + 1):
        transfer.follow(Plan(blocks=(query,)))
        transfer.blocks(blocks(query))
        assert transfer.put(transfer.next_step(), Plan(blocks=(others,)), 0.0) == (others,)
    assert transfer.hopeless == ""


def test_a_plan_for_nothing_leads_to_finish():
    transfer, asked = follow()
    assert asked == ()
    assert transfer.next_step() == Finish(CHANGE)


def test_blocks_that_nobody_waits_for_change_nothing():
    transfer, _ = follow(block_query())
    transfer.blocks(blocks(block_query(2)))
    assert transfer.next_step() is None


def test_parts_from_before_a_cut_do_not_count():
    query = block_query(leaves=4)
    transfer, _ = follow(query)
    transfer.blocks(blocks(query, 0, 2))
    transfer.lost()
    transfer.blocks(blocks(query, 1, 2))
    assert transfer.next_step() is None


def test_a_refused_query_is_asked_again_after_a_pause():
    transfer, _ = follow(block_query())
    transfer.refused(block_query(), Failed(block_query(), Code.BUSY, 3000), 10.0)
    assert transfer.resume_at == 13.0
    assert transfer.resume(12.9) == ()
    assert transfer.next_step() is None
    assert transfer.resume(13.0) == (block_query(),)
    assert transfer.resume_at is None


def test_parts_from_before_a_refusal_do_not_count():
    query = block_query(leaves=4)
    transfer, _ = follow(query)
    transfer.blocks(blocks(query, 3, 4))
    transfer.refused(query, Failed(query, Code.BUSY), 0.0)
    transfer.blocks(blocks(query, 0, 2))
    assert transfer.next_step() is None


def test_a_refused_hashlist_is_asked_again():
    transfer, _ = follow(hashes=[hash_query()])
    transfer.refused(hash_query(), Failed(hash_query(), Code.BUSY), 0.0)
    assert transfer.resume(FIRST_PAUSE) == (hash_query(),)


def test_pauses_double_until_something_comes():
    transfer, _ = follow(block_query())
    now, pauses = 0.0, []
    for _ in range(3):
        transfer.refused(block_query(), Failed(block_query(), Code.GONE), now)
        pauses.append(transfer.resume_at - now)
        now = transfer.resume_at
        transfer.resume(now)
    assert pauses == [FIRST_PAUSE, 2 * FIRST_PAUSE, 4 * FIRST_PAUSE]
    transfer.blocks(blocks(block_query()))
    transfer.put(transfer.next_step(), Plan(), now)
    assert transfer.hopeless == ""
    transfer.refused(block_query(), Failed(block_query(), Code.GONE), now)
    assert transfer.resume_at - now == FIRST_PAUSE


def test_a_hub_that_keeps_refusing_is_given_up():
    transfer, _ = follow(block_query())
    now = 0.0
    for _round in range(MAX_REFUSALS):
        assert transfer.hopeless == ""
        for _ in range(20):  # however many queries are refused at once, it is one refusal
            transfer.refused(block_query(), Failed(block_query(), Code.UNKNOWN_VERSION), now)
        now = transfer.resume_at
        transfer.resume(now)
    assert transfer.hopeless == "the hub cannot send it: unknown version"


def test_leaves_that_are_gone_are_asked_for_after_a_pause():
    query = block_query(leaves=2)
    transfer, _ = follow(query)
    transfer.blocks(blocks(query, gone=runs.encode([(1, 2)])))
    left = Plan(blocks=(block_query(leaves=1),))
    assert transfer.put(transfer.next_step(), left, 5.0) == ()
    assert transfer.next_step() is None
    assert transfer.resume(5.0 + FIRST_PAUSE) == left.blocks


def test_leaves_that_stay_gone_are_given_up():
    query, now = block_query(), 0.0
    transfer, _ = follow(query)
    for _ in range(MAX_REFUSALS):
        transfer.blocks(blocks(query, gone=query.leaves))
        transfer.put(transfer.next_step(), Plan(blocks=(query,)), now)
        now = transfer.resume_at
        transfer.resume(now)
    assert transfer.hopeless == "the hub no longer has all of it"


def test_blocks_that_do_not_verify_are_asked_for_at_once_and_given_up_in_the_end():
    query = block_query()
    transfer, _ = follow(query)
    for _ in range(MAX_BAD_SETS):
        assert transfer.hopeless == ""
        transfer.blocks(blocks(query))
        assert transfer.put(transfer.next_step(), Plan(blocks=(query,)), 0.0) == (query,)
    assert transfer.hopeless == "the hub's blocks do not verify"


# --- deltas ---


def follow_delta():
    transfer = Transfer(CHANGE)
    asked = transfer.follow(Plan((hash_query(),), delta=delta_query()))
    assert asked == (delta_query(),)
    assert transfer.next_step() is None
    return transfer


def test_the_parts_of_a_delta_are_applied_as_they_come():
    transfer = follow_delta()
    for part in range(2):
        transfer.delta(delta(delta_query(), part, 2))
        step = transfer.next_step()
        assert step == Apply(CHANGE, (delta(delta_query(), part, 2),))
        assert transfer.applied(step, Plan()) == ()
    assert transfer.next_step() == Finish(CHANGE)


def test_parts_that_wait_are_applied_together():
    transfer = follow_delta()
    parts = tuple(delta(delta_query(), part, 4) for part in range(4))
    transfer.delta(parts[0])
    first = transfer.next_step()
    transfer.busy = True
    for part in parts[1:3]:
        transfer.delta(part)
    assert transfer.next_step() is None
    transfer.busy = False
    assert transfer.applied(first, Plan()) == ()
    second = transfer.next_step()
    assert (first.parts, second.parts) == (parts[:1], parts[1:3])
    assert transfer.applied(second, Plan()) == ()
    assert transfer.next_step() is None  # the last is still to come
    transfer.delta(parts[3])
    assert transfer.next_step() == Apply(CHANGE, parts[3:])


def test_without_a_delta_the_rest_of_the_plan_is_followed():
    transfer = follow_delta()
    assert transfer.no_delta() == (hash_query(),)
    assert transfer.no_delta() == ()
    transfer.hashlist(hash_query(), hashlist(hash_query()))
    assert isinstance(transfer.next_step(), Match)


def test_a_delta_that_is_of_no_use_is_left_at_once():
    transfer = follow_delta()
    for part in range(3):
        transfer.delta(delta(delta_query(), part, 4))
    step = transfer.next_step()
    assert transfer.applied(step, Plan(hashes=(hash_query(),))) == (hash_query(),)
    transfer.delta(delta(delta_query(), 3, 4))
    assert transfer.next_step() is None  # it waits for the hashes


def test_what_came_of_a_delta_survives_a_cut():
    transfer = follow_delta()
    transfer.delta(delta(delta_query(), 0, 2))
    transfer.lost()
    assert transfer.next_step() == Apply(CHANGE, (delta(delta_query(), 0, 2),))


def test_a_version_that_the_hub_cannot_compare_with_is_done_without():
    asked = hash_query(nodes=4, since=version(9))
    transfer, _ = follow(hashes=[asked])
    transfer.refused(asked, Failed(asked, Code.UNKNOWN_VERSION), 0.0)
    plain = hash_query(nodes=4)
    assert transfer.resume(FIRST_PAUSE) == (plain,)
    transfer.hashlist(plain, hashlist(plain))
    assert transfer.next_step() == Match(CHANGE, (hashlist(plain),))
