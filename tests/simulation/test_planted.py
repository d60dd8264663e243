"""The machine is worth its time only if it finds bugs: here it has to find seven that we put."""

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from pyzsync import Patch
from pyzsync_daemon.client import displaced, recover
from pyzsync_daemon.client.ledger import Ledger
from pyzsync_daemon.client.snapshot import Snapshot
from pyzsync_daemon.client.watermark import Watermark
from pyzsync_daemon.hub.index import HubIndex
from tests.simulation.machine import SyncMachine

HUNT = settings(
    max_examples=400,
    stateful_step_count=40,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
    report_multiple_bugs=False,
)


def displaced_bytes_are_not_compared(patch):
    """Whatever a replacement displaced is taken for what the hub had given."""
    patch.setattr(displaced, "_expected", lambda *_: True)


def a_position_is_saved_too_early(patch):
    """As soon as it is announced, with its changes still under way."""

    def reached(self):
        newest = self._positions[-1] if self._positions else None
        self._positions.clear()
        return newest

    patch.setattr(Watermark, "reached", reached)


def the_head_of_a_position_is_ignored(patch):
    """A log that was restored from a copy and written on is taken for the one that was followed."""

    def resumable(self, position):
        return position.epoch == self.position().epoch and position.seq >= self.floor

    patch.setattr(HubIndex, "resumable", resumable)


def what_was_applied_beyond_a_position_is_forgotten(patch):
    """A log that was restored from a copy is followed, though it never names what came after."""
    patch.setattr(Ledger, "greet", lambda *_: None)


def a_prune_ignores_what_was_announced_meanwhile(patch):
    """What a snapshot did not name goes, even if it was announced while the prune ran."""
    close = Snapshot.close

    def freeze(self, position):
        prune = close(self, position)
        self.named = Unchanging(self.named)
        return prune

    class Unchanging(set):
        add = update = lambda self, _: None

    patch.setattr(Snapshot, "close", freeze)


def received_bytes_are_not_verified(patch):
    """A version is believed because all of it has arrived."""
    patch.setattr(Patch, "finish", lambda self: self._builder.finish())


def recovery_forgets_what_was_displaced(patch):
    """After a crash, what lies in staging is old bytes, whoever wrote it."""
    patch.setattr(recover, "_settle", lambda *_: [])
    patch.setattr(recover, "_sweep", lambda replica, name, _: replica.staging.leave(name))


@pytest.mark.parametrize(
    "plant",
    [
        displaced_bytes_are_not_compared,
        a_position_is_saved_too_early,
        the_head_of_a_position_is_ignored,
        what_was_applied_beyond_a_position_is_forgotten,
        a_prune_ignores_what_was_announced_meanwhile,
        received_bytes_are_not_verified,
        recovery_forgets_what_was_displaced,
    ],
    ids=lambda plant: plant.__name__,
)
def test_a_planted_bug_is_found(monkeypatch, plant):
    plant(monkeypatch)
    with pytest.raises(AssertionError):
        run_state_machine_as_test(SyncMachine, settings=HUNT)
