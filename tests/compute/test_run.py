"""A step's job elsewhere: started once whoever dies when, found again, followed only when it is known to have ended."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from pressrun.compute import ConfigurationFailed, JobFailed, NeedsPlatform, PollingFailed, run, watch
from pressrun.compute.fence import FencedLake
from pressrun.compute.order import WorkOrder
from pressrun.compute.run import StepJob, run_elsewhere
from pressrun.config.environment import Environment
from pressrun.config.pipeline import Pipeline
from pressrun.config.spark import Spark
from pressrun.jobs import ExternalJob
from pressrun.lake import Lake
from pressrun.lake.errors import SupersededError
from pressrun.lake.types import StageResult, StepKey
from pressrun.step import Step, open_step, run_once
from tests.compute.worlds import ROLE, EmrServerlessWorld
from tests.fakes.emr import FakeEmr, fake_emr

KEY = StepKey(dag_id="topics_retrain", run_id="night", task_id="sample")
INGESTED = StageResult(stage="ingest", step_key="topics_retrain/night/ingest/-1", facts={"rows": 3})
PLATFORM = {
    "kind": "emr_serverless",
    "region": "eu-west-1",
    "application_id": "00abc123",
    "execution_role_arn": ROLE,
}


class Died(BaseException):
    """The worker was killed."""


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "_LOOK_AGAIN", 0.02)


@pytest.fixture
def fake() -> Iterator[FakeEmr]:
    with fake_emr() as made:
        yield made


@pytest.fixture
def step(environment: Environment, pipeline: Pipeline, lake: Lake) -> Step:
    spark = Spark.model_validate({"platform": PLATFORM})
    away = environment.model_copy(update={"spark": spark})
    return Step(key=KEY, pipeline=pipeline, environment=away, lake=lake)


@pytest.fixture
def make(fake: FakeEmr) -> Callable[..., StepJob]:
    """A try's view of the step's job: everything in it is new, as in another process."""

    def made(step: Step, *, rows: int = 3) -> StepJob:
        upstream = [INGESTED.model_copy(update={"facts": {"rows": rows}})]
        return StepJob.of(step, stage="sample", upstream=upstream, platform=EmrServerlessWorld(fake).platform)

    return made


Make = Callable[..., StepJob]


def generations(job: StepJob) -> list[tuple[int, str]]:
    found = job.jobs.ledger.of_pipeline("topics")
    return sorted((one.generation, one.state) for one in found)


def dies(monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, *, after: bool) -> None:
    """From now on whoever calls it is killed, before or after it did its work."""
    real = getattr(owner, name)

    def killed(*given: Any, **named: Any) -> Any:
        if after:
            real(*given, **named)
        raise Died

    monkeypatch.setattr(owner, name, killed)


DEATHS = [
    ("ledger", "intend", False),
    ("ledger", "intend", True),
    ("ledger", "take", True),
    ("platform", "submit", False),
    ("platform", "submit", True),
    ("ledger", "accepted", False),
    ("ledger", "accepted", True),
]


@pytest.mark.parametrize(("owner", "name", "after"), DEATHS)
def test_a_try_that_dies_anywhere_leaves_one_job_for_the_next(
    make: Make, step: Step, fake: FakeEmr, monkeypatch: pytest.MonkeyPatch, owner: str, name: str, after: bool
) -> None:
    monkeypatch.setattr(run, "_LEASE", timedelta(seconds=0.2))
    first = make(step)
    with monkeypatch.context() as killing:
        dies(killing, type(getattr(first.jobs, owner)), name, after=after)
        with pytest.raises(Died):
            first.attach()
    second = make(step).attach()
    assert len(fake.runs) == 1
    assert (second.generation, second.handle is not None) == (0, True)


def test_tries_at_once_start_one_job(make: Make, step: Step, fake: FakeEmr) -> None:
    fake.script["emr-serverless"] = ["RUNNING"]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: make(step).attach(), range(4)))
    assert len({job.token for job in found}) == len(fake.runs) == 1


def test_a_lost_answer_fails_the_try_and_the_next_goes_on_with_the_job(make: Make, step: Step, fake: FakeEmr) -> None:
    fake.troubles["StartJobRun"] = ["lost"]
    with pytest.raises(PollingFailed):
        make(step).attach()
    assert make(step).attach().handle == {
        "platform": "emr_serverless",
        "job_id": fake.runs[0].id,
        "place": {"application_id": "00abc123", "region": "eu-west-1"},
    }
    assert len(fake.runs) == 1


def test_a_job_that_is_not_listed_yet_is_asked_for_in_the_same_words_though_the_environment_was_edited(
    make: Make, step: Step, fake: FakeEmr
) -> None:
    fake.troubles["StartJobRun"], fake.unlisted = ["lost"], 6
    with pytest.raises(PollingFailed):
        make(step).attach()
    labels = step.environment.model_copy(update={"labels": {"cost-center": "42"}})
    edited = replace(step, environment=labels, asked="typed again")
    found = make(edited).attach()
    assert (found.generation, found.handle and found.handle["job_id"]) == (0, fake.runs[0].id)
    assert len(fake.runs) == 1


def test_a_job_is_found_where_it_was_asked_for_though_the_application_was_changed(
    make: Make, step: Step, fake: FakeEmr
) -> None:
    fake.troubles["StartJobRun"] = ["lost"]
    with pytest.raises(PollingFailed):
        make(step).attach()
    fake.unlisted = 0
    elsewhere = EmrServerlessWorld(fake, application_id="00other").platform
    found = StepJob.of(step, stage="sample", upstream=[INGESTED], platform=elsewhere).attach()
    assert found.handle is not None
    assert found.handle["place"]["application_id"] == "00abc123"
    assert len(fake.runs) == 1


@pytest.mark.parametrize("call", ["ListJobRuns", "StartJobRun"])
def test_a_refusal_after_a_lost_answer_is_no_end_the_job_may_run(
    make: Make, step: Step, fake: FakeEmr, call: str
) -> None:
    fake.script["emr-serverless"] = ["RUNNING"]
    fake.troubles["StartJobRun"], fake.unlisted = ["lost"], 3
    with pytest.raises(PollingFailed):
        make(step).attach()
    fake.troubles[call] = ["denied"]
    with pytest.raises(ConfigurationFailed):
        make(step).attach()
    mended = make(step)
    assert mended.attach().generation == 0
    assert len(fake.runs) == 1


def test_a_refusal_of_what_is_not_listed_after_long_is_followed_by_a_job_as_the_file_says_now(
    make: Make, step: Step, fake: FakeEmr, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake.troubles["StartJobRun"] = ["throttled", "refused"]
    with pytest.raises(PollingFailed):
        make(step).attach()
    monkeypatch.setattr(run, "LISTED", timedelta(0))
    with pytest.raises(ConfigurationFailed):
        make(step).attach()
    job = make(replace(step, environment=step.environment.model_copy(update={"labels": {"cost-center": "42"}})))
    assert job.attach().generation == 1
    assert generations(job) == [(0, "abandoned"), (1, "submitted")]
    assert fake.runs[0].request["tags"]["cost-center"] == "42"


def test_a_try_that_waited_for_another_ones_lost_answer_looks_for_that_job(
    make: Make, step: Step, fake: FakeEmr
) -> None:
    waiting, first = make(step), make(step)
    intent = waiting.jobs.ledger.intend
    waits: list[ExternalJob] = []

    def intended_before(**named: Any) -> ExternalJob:
        waits.append(intent(**named))
        fake.troubles["StartJobRun"] = ["lost"]
        with pytest.raises(PollingFailed):
            first.attach()
        return waits[0]

    waiting.jobs.ledger.intend = intended_before  # type: ignore[method-assign]
    assert waiting.attach().handle is not None
    assert fake.calls.count("emr-serverless:StartJobRun") == 1


def test_a_job_that_nobody_watched_to_its_failure_is_followed_by_the_next_generation(
    make: Make, step: Step, fake: FakeEmr
) -> None:
    make(step).attach()
    fake.end(fake.runs[0], "FAILED", "Job execution failed")
    job = make(step)
    again = job.attach()
    assert again.generation == 1
    assert generations(job) == [(0, "failed"), (1, "submitted")]
    assert fake.runs[0].request["clientToken"] != fake.runs[1].request["clientToken"]


def test_while_a_job_may_still_run_there_is_no_other(make: Make, step: Step, fake: FakeEmr) -> None:
    first = make(step).attach()
    fake.troubles["GetJobRun"] = ["throttled"]
    with pytest.raises(PollingFailed):
        make(step).attach()
    assert make(step).attach().token == first.token
    assert len(fake.runs) == 1


def test_a_job_that_finished_while_the_stage_was_looking_is_not_started_again(
    make: Make, step: Step, fake: FakeEmr
) -> None:
    driver(step, make(step).attach())
    fake.end(fake.runs[0], "SUCCESS")
    late = make(step)
    assert late.attach().state == "succeeded"
    assert late.attach().state == "succeeded"
    assert len(fake.runs) == 1


def test_other_inputs_cancel_the_job_first(make: Make, step: Step, fake: FakeEmr) -> None:
    make(step, rows=3).attach()
    job = make(step, rows=4)
    assert job.attach().generation == 1
    assert generations(job)[0] == (0, "cancelled")
    assert fake.calls.index("emr-serverless:CancelJobRun") < len(fake.calls) - 1
    assert fake.runs[0].request["clientToken"] != fake.runs[1].request["clientToken"]


def test_a_request_that_is_refused_is_an_end_and_the_next_try_asks_anew(make: Make, step: Step, fake: FakeEmr) -> None:
    fake.troubles["StartJobRun"] = ["denied"]
    job = make(step)
    with pytest.raises(ConfigurationFailed):
        job.attach()
    assert generations(job) == [(0, "failed")]
    assert make(step).attach().generation == 1


def test_a_timed_out_submit_that_starts_late_is_cancelled(make: Make, step: Step, fake: FakeEmr) -> None:
    fake.troubles["StartJobRun"], fake.unlisted = ["lost"], 3
    with pytest.raises(PollingFailed):
        make(step, rows=3).attach()
    job = make(step, rows=4)
    fake.script["emr-serverless"] = ["RUNNING"]
    job.attach()
    assert generations(job) == [(0, "abandoned"), (1, "submitted")]
    for _ in range(3):
        job.jobs.reap()
    assert generations(job)[0] == (0, "cancelled")
    assert fake.runs[0].state in ("CANCELLING", "CANCELLED")


@pytest.fixture
def late(make: Make, step: Step, fake: FakeEmr) -> StepJob:
    """A step whose second job runs, while the first is not listed yet."""
    fake.script["emr-serverless"] = ["RUNNING"]
    fake.troubles["StartJobRun"], fake.unlisted = ["lost"], 5
    with pytest.raises(PollingFailed):
        make(step, rows=3).attach()
    fake.unlisted = 0
    second = make(step, rows=4)
    second.attach()
    assert generations(second) == [(0, "abandoned"), (1, "submitted")]
    return second


def test_whoever_waits_for_its_successor_ends_a_late_job_as_soon_as_it_is_listed(late: StepJob, fake: FakeEmr) -> None:
    watching, entered = watch.Watch(jobs=late.jobs), late.jobs.ledger.newest(late.key)
    assert entered is not None
    for _ in range(8):
        entered = watching.look(entered)
    assert generations(late) == [(0, "cancelled"), (1, "running")]
    assert fake.runs[0].state in ("CANCELLING", "CANCELLED")


def test_waiting_looks_for_a_late_job_for_as_long_as_platforms_take_to_list_one(
    late: StepJob, fake: FakeEmr, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "LISTED", timedelta(0))
    entered = late.jobs.ledger.newest(late.key)
    assert entered is not None
    before = fake.calls.count("emr-serverless:ListJobRuns")
    watch.Watch(jobs=late.jobs).look(entered)
    assert fake.calls.count("emr-serverless:ListJobRuns") == before


def test_another_steps_job_ends_one_that_was_listed_after_its_own_step_was_over(
    late: StepJob, make: Make, step: Step, fake: FakeEmr
) -> None:
    fake.runs[0].looks_until_seen = 0
    make(replace(step, key=KEY.model_copy(update={"run_id": "the next night"}))).attach()
    assert generations(late)[0] == (0, "cancelled")


def driver(step: Step, entered: ExternalJob) -> StageResult:
    """What the job's driver does, with the stage's work left out."""
    fenced = FencedLake.of(step.lake, key=step.key, fence=entered.fence)
    there = replace(step, lake=fenced)
    made = StageResult(stage="sample", step_key=str(step.key), facts={"generation": entered.generation})
    return run_once(there, stage="sample", inputs={}, section={}, work=lambda: made)


def test_a_job_in_whose_place_another_was_started_cannot_commit(make: Make, step: Step, fake: FakeEmr) -> None:
    late = make(step, rows=3).attach()
    other = make(step, rows=4).attach()
    with pytest.raises(SupersededError, match="another job has taken its place"):
        driver(step, late)
    assert driver(step, other).facts == {"generation": 1}
    done = step.lake.finished(KEY)
    assert done is not None
    assert done.facts == {"generation": 1}


def test_a_job_that_had_begun_before_the_other_was_started_cannot_commit_either(
    make: Make, step: Step, fake: FakeEmr
) -> None:
    late = make(step, rows=3).attach()
    fenced = FencedLake.of(step.lake, key=KEY, fence=late.fence)

    def work() -> StageResult:
        make(step, rows=4).attach()
        return StageResult(stage="sample", step_key=str(KEY))

    with pytest.raises(SupersededError):
        run_once(replace(step, lake=fenced), stage="sample", inputs={}, section={}, work=work)
    assert step.lake.finished(KEY) is None


def test_a_fresh_step_that_had_finished_is_done_again_by_its_job(make: Make, step: Step, fake: FakeEmr) -> None:
    driver(step, make(step).attach())
    fake.end(fake.runs[0], "SUCCESS")
    asked = replace(step, fresh=True, asked="cleared after try 1")
    open_step(asked, stage="sample", inputs={}, section={})
    entered = make(asked).attach()
    assert entered.generation == 1
    assert driver(asked, entered).facts == {"generation": 1}


def test_a_stage_that_needs_no_spark_starts_nothing(make: Make, step: Step, fake: FakeEmr) -> None:
    told = StageResult(stage="sample", step_key=str(KEY))
    assert run_elsewhere(lambda: make(step), lambda: told) == told
    assert fake.calls == []


def test_a_job_that_ends_well_hands_on_what_the_lake_has(make: Make, step: Step, fake: FakeEmr) -> None:
    def work() -> StageResult:
        found = step.lake.finished(KEY)
        if found is None and fake.runs and fake.runs[0].state == "RUNNING":
            raise AssertionError("asked before the end")
        if found is None and fake.runs:
            entered = make(step).jobs.ledger.newest(str(KEY))
            assert entered is not None
            return driver(step, entered)
        raise NeedsPlatform

    assert run_elsewhere(lambda: make(step), work, poll_seconds=0).facts == {"generation": 0}


def test_a_job_that_ends_well_and_commits_nothing_is_a_failure(make: Make, step: Step, fake: FakeEmr) -> None:
    def work() -> StageResult:
        raise NeedsPlatform

    with pytest.raises(JobFailed, match="the lake has no result"):
        run_elsewhere(lambda: make(step), work, poll_seconds=0)
    assert make(step).attach().generation == 1


def test_a_job_that_is_gone_for_long_is_taken_for_cancelled(
    make: Make, step: Step, fake: FakeEmr, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = make(step)
    entered = job.attach()
    fake.runs.clear()
    assert job.jobs.look(entered).live
    monkeypatch.setattr(watch, "LISTED", timedelta(0))
    assert job.jobs.look(entered).state == "cancelled"


def test_what_a_job_is_told_holds_no_secret(environment: Environment, pipeline: Pipeline, lake: Lake) -> None:
    from pressrun.compute.order import make_order

    options = {"aws_secret_access_key": "hush", "aws_access_key_id": "AKIA0", "aws_region": "eu-west-1"}
    place = environment.lake.model_copy(update={"storage_options": options})
    told = environment.model_copy(update={"lake": place, "database": "postgresql://u:hush@h/d"})
    step = Step(key=KEY, pipeline=pipeline, environment=told, lake=lake)
    text = make_order(step, stage="sample", upstream=[INGESTED], fence=0, token="t").model_dump_json()
    assert "hush" not in text
    assert "AKIA0" not in text
    assert "eu-west-1" in text


def test_a_job_belongs_to_the_trace_that_asked_for_it_first_whoever_submits_it(
    step: Step, make: Make, fake: FakeEmr, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = (f"00-{digit * 32}-{digit * 16}-01" for digit in "12")
    monkeypatch.setattr(run.tracing, "carried", lambda: {"traceparent": first})
    fake.troubles["StartJobRun"] = ["throttled"]
    with pytest.raises(PollingFailed):
        make(step).attach()
    monkeypatch.setattr(run.tracing, "carried", lambda: {"traceparent": second})
    assert make(step).attach().trace == first
    (order,) = (Path(step.lake.root) / "_jobs").rglob("order-*.json")
    assert WorkOrder.model_validate_json(order.read_text()).trace == first
