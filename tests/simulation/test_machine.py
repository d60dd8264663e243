"""The machine itself, as CI runs it."""

from hypothesis import settings

from tests.simulation.machine import SyncMachine

TestSync = SyncMachine.TestCase
TestSync.settings = settings(max_examples=120, stateful_step_count=40)
