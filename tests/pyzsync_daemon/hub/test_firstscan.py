from pyzsync_daemon.hub.firstscan import FirstScan


def test_it_is_over_when_everything_is_read():
    first = FirstScan(10.0)
    first.scanned([], [])
    assert first.over(0.0)


def test_what_cannot_be_read_is_waited_for_and_not_for_ever():
    first = FirstScan(10.0)
    first.scanned(["locked"], [])
    first.read(["a"], ["restless"])
    assert not first.over(100.0)
    first.read(["restless"], [])
    assert not first.over(109.9)
    assert first.over(110.0)
    assert first.unread == {"locked"}


def test_another_look_begins_anew():
    first = FirstScan(10.0)
    first.scanned(["locked", "gone"], [])
    first.scanned(["locked"], [])
    assert first.unread == {"locked"}
    first.scanned([], [])
    assert first.over(5.0)


def test_the_big_files_of_the_first_look_are_waited_for():
    first = FirstScan(10.0)
    assert not first.committed
    first.scanned([], ["big", "bigger"])
    first.read(["big"], [])
    assert not first.committed
    first.read([], ["bigger"])
    first.scanned([], ["bigger", "biggest"])
    assert first.committed
    assert not first.over(0.0)
    first.read(["bigger", "biggest"], [])
    assert first.over(0.0)
