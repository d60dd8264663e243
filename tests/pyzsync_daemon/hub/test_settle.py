from pyzsync_daemon.hub.settle import PATIENCE, SHARE, Settle


def settle():
    return Settle(rest_s=1.0, longest_s=8.0)


def test_a_calm_path_is_due_at_once():
    subject = settle()
    assert subject.next_due() is None
    subject.add(["a", "b"], 5.0)
    assert subject.next_due() == 5.0
    assert subject.ready(5.0) == ({"a", "b"}, 5.0)
    assert subject.ready(5.0) == (set(), 5.0)


def test_after_it_was_read_a_path_rests():
    subject = settle()
    subject.published("a", 0.0)
    subject.add(["a", "b"], 0.5)
    assert subject.ready(0.5) == ({"b"}, 0.5)
    assert subject.next_due() == 1.0
    assert subject.ready(1.0) == ({"a"}, 0.5)


def test_what_is_gone_does_not_rest():
    subject = settle()
    subject.published("old", 0.0)
    subject.add(["old", "new"], 0.5, gone={"old"})
    assert subject.ready(0.5) == ({"old", "new"}, 0.5)


def test_rests_grow_while_changes_go_on_and_have_an_end():
    subject, now, times = settle(), 0.0, []
    for _ in range(7):
        subject.published("a", now)
        subject.add(["a"], now)
        times.append(subject.next_due() - now)
        now = subject.next_due()
        assert subject.ready(now)[0] == {"a"}
    assert times == [1, 2, 4, 8, 8, 8, 8]


def test_a_path_that_was_calm_begins_anew():
    subject = settle()
    for now in (0.0, 1.0, 3.0):
        subject.published("a", now)
    subject.published("a", 100.0)
    subject.add(["a"], 100.0)
    assert subject.next_due() == 101.0


def test_what_is_dear_to_read_rests_longer():
    subject = settle()
    subject.published("a", 0.0, cost=10.0)
    subject.add(["a"], 0.0)
    assert subject.next_due() == SHARE * 10.0


def test_an_unsettled_path_is_tried_again_and_reported_once():
    subject, now, reports = settle(), 0.0, []
    for _ in range(PATIENCE + 2):
        reports.append(subject.unsettled("a", now))
        now = subject.next_due()
        assert subject.ready(now)[0] == {"a"}
    assert reports == [False] * (PATIENCE - 1) + [True, False, False]
    subject.published("a", now)
    assert not subject.unsettled("a", now)


def test_a_second_look_waits_and_gives_way_to_an_event():
    subject = settle()
    subject.later(["a", "b"], 0.0, 3.0)
    subject.add(["a"], 1.0)
    assert subject.ready(1.0) == ({"a"}, 1.0)
    assert subject.ready(3.0) == ({"b"}, 3.0)


def test_rests_are_forgotten_in_time():
    subject = settle()
    for number in range(100):
        subject.published(f"f{number}", 0.0)
    subject.ready(100.0)
    assert subject._rests == {}


def test_clear():
    subject = settle()
    subject.add(["a"], 0.0)
    subject.clear()
    assert subject.next_due() is None
