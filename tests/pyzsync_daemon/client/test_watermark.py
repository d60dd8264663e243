from hypothesis import given
from hypothesis import strategies as st

from pyzsync_daemon.client.watermark import MAX_POSITIONS, SLACK, Watermark
from tests.pyzsync_daemon.client.values import position


def test_a_position_is_reached_when_nothing_up_to_it_is_open():
    watermark = Watermark()
    watermark.open("a", 1)
    watermark.open("b", 2)
    watermark.mark(position(2))
    watermark.close("b", 2)
    assert watermark.reached() is None
    watermark.close("a", 1)
    assert watermark.reached() == position(2)
    assert watermark.reached() is None


def test_later_changes_hold_nothing_back():
    watermark = Watermark()
    watermark.mark(position(1))
    watermark.open("a", 2)
    assert watermark.reached() == position(1)


def test_only_the_newest_reached_position_counts():
    watermark = Watermark()
    for seq in (1, 2, 3):
        watermark.mark(position(seq))
    assert watermark.reached() == position(3)


def test_a_newer_change_supersedes_an_older_one():
    watermark = Watermark()
    watermark.open("a", 1)
    watermark.mark(position(1))
    watermark.open("a", 2)
    assert watermark.reached() == position(1)
    watermark.close("a", 1)  # the end of the older one's work closes nothing
    watermark.mark(position(2))
    assert watermark.reached() is None


def test_reset_forgets_all():
    watermark = Watermark()
    watermark.open("a", 5)
    watermark.mark(position(5))
    watermark.reset()
    watermark.close("a", 5)
    assert watermark.reached() is None
    watermark.mark(position(1))
    assert watermark.reached() == position(1)


def test_a_path_that_stays_open_for_ever_costs_a_bounded_amount():
    watermark = Watermark()
    watermark.open("refused", 1)
    for seq in range(2, 20_000):
        watermark.open("busy", seq)
        watermark.mark(position(seq))
        watermark.close("busy", seq)
        assert len(watermark._positions) <= MAX_POSITIONS
        assert len(watermark._order) <= 2 + SLACK + 2
    watermark.close("refused", 1)
    assert watermark.reached() == position(19_999)


@given(st.lists(st.tuples(st.sampled_from(["open", "close", "mark"]), st.integers(0, 4))))
def test_no_position_is_reached_while_a_change_up_to_it_is_open(steps):
    watermark, seq, still_open = Watermark(), 0, {}
    for step, number in steps:
        path = str(number)
        if step == "open":
            seq += 1
            still_open[path] = seq
            watermark.open(path, seq)
        elif step == "close" and path in still_open:
            watermark.close(path, still_open.pop(path))
        elif step == "mark":
            watermark.mark(position(seq))
        reached = watermark.reached()
        assert reached is None or all(reached.seq < each for each in still_open.values())
    for path, each in still_open.items():
        watermark.close(path, each)
    watermark.mark(position(seq))
    assert watermark.reached() == position(seq)
