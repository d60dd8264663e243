from pyzsync_daemon.client.jobs import LOOSE, STAGED, Job, Stage, Stages
from pyzsync_daemon.client.transfer import Transfer
from tests.pyzsync_daemon.client.values import directory, file


def test_a_job_is_in_one_stage():
    stages, job = Stages(), Job(file("a"))
    for stage in Stage:
        stages.move(job, stage)
        assert [each for each in Stage if "a" in stages.of(each)] == [stage]
        assert stages.get("a") is job
    stages.remove(job)
    assert (len(stages), stages.get("a"), stages.count(*Stage)) == (0, None, 0)


def test_a_stage_is_in_order_of_arrival_and_staying_keeps_the_place():
    stages = Stages()
    jobs = [Job(file(path)) for path in "abc"]
    for job in jobs:
        stages.move(job, Stage.READY)
    stages.move(jobs[0], Stage.READY)
    assert list(stages.of(Stage.READY)) == ["a", "b", "c"]
    stages.move(jobs[0], Stage.PARKED)
    stages.move(jobs[0], Stage.READY)
    assert list(stages.of(Stage.READY)) == ["b", "c", "a"]
    assert stages.count(Stage.READY, Stage.PARKED) == 3
    assert stages.paths() == {"a", "b", "c"}


def test_an_effect_runs_in_three_stages_and_while_a_transfer_is_busy():
    for stage in Stage:
        expected = stage in (Stage.PREPARING, Stage.COMMITTING, Stage.ABANDONING)
        assert Job(file("a"), stage).effect_runs is expected
    job = Job(file("a"), Stage.FETCHING, transfer=Transfer(file("a")))
    job.transfer.busy = True
    assert job.effect_runs


def test_a_job_carries_changes_of_the_same_content_only():
    job = Job(file("a", 1, 1, mode=0o600))
    assert job.carries(file("a", 2, 1, mode=0o644))
    assert not job.carries(file("a", 2, 2))
    assert not job.carries(directory("a", 2))
    assert not Job(directory("a")).carries(directory("a", 2))


def test_nothing_is_held_for_loose_jobs():
    assert not LOOSE & STAGED
    assert not any(Job(file("a"), stage).effect_runs for stage in LOOSE)
