"""The real entry point in a process of its own: Pressrun from the job's zip, the result in the lake, the fence held.

The sample's engine is DuckDB here, so that no JVM is needed; tests/operators/test_spark.py has Spark.
"""

from __future__ import annotations

import time
import zipfile
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from io import BytesIO
from pathlib import Path

import pytest

from pressrun import tracing
from pressrun.compute import Handle, JobState, State
from pressrun.compute.fence import raise_fence
from pressrun.compute.job import make_job
from pressrun.compute.local import LocalPlatform
from pressrun.compute.order import digest_of_inputs
from pressrun.compute.run import StepJob
from pressrun.compute.uploads import Upload, Uploads, entry, local_jobs, package
from pressrun.config.environment import Environment
from pressrun.config.pipeline import Pipeline, Read
from pressrun.config.spark import EmrServerless, Local, Spark
from pressrun.ingest import ingest
from pressrun.jobs import ExternalJob
from pressrun.lake import Lake
from pressrun.lake.types import StageResult, StepKey
from pressrun.simulator import Newsroom, write_night
from pressrun.step import Step
from tests.collector import collector
from tests.compute.worlds import ROLE, EmrServerlessWorld, submit
from tests.fakes.emr import fake_emr
from tests.fakes.spark_driver import LocalDriver

Make = Callable[[str], Step]
EMR = {"kind": "emr_serverless", "region": "eu-west-1", "application_id": "00abc123", "execution_role_arn": ROLE}


@pytest.fixture
def make(environment: Environment, pipeline: Pipeline, lake: Lake) -> Make:
    """A step of the night, in an environment whose Spark jobs are processes of their own."""
    away = environment.model_copy(update={"spark": Spark(platform=Local(process="own"))})
    articles = pipeline.articles.model_copy(update={"read": Read()})
    sample = pipeline.sample.model_copy(update={"rows": 20, "engine": "duckdb"})
    changed = pipeline.model_copy(update={"articles": articles, "sample": sample})

    def made(task: str) -> Step:
        key = StepKey(dag_id="topics_retrain", run_id="night", task_id=task)
        return Step(key=key, pipeline=changed, environment=away, lake=lake)

    return made


@pytest.fixture
def ingested(make: Make, environment: Environment) -> StageResult:
    write_night(Newsroom(seed=3, articles_per_night=80), 1, out=Path(environment.landing) / "topics")
    return ingest(make("ingest"))


@pytest.fixture
def platform(make: Make) -> LocalPlatform:
    return LocalPlatform(local_jobs(make("sample").environment))


def ended(platform: LocalPlatform, handle: Handle) -> JobState:
    for _ in range(1200):
        if (seen := platform.state(handle)).state.ended:
            return seen
        time.sleep(0.05)
    raise AssertionError(Path(seen.logs).read_text())


def job_of(entered: ExternalJob) -> Handle:
    assert entered.handle is not None
    return Handle(**entered.handle)


def test_a_job_leaves_its_result_in_the_lake(make: Make, ingested: StageResult, platform: LocalPlatform) -> None:
    step = make("sample")
    entered = StepJob.of(step, stage="sample", upstream=[ingested], platform=platform).attach()
    seen = ended(platform, job_of(entered))
    assert seen.state is State.SUCCEEDED, Path(seen.logs).read_text()
    done = step.lake.finished(step.key)
    assert done is not None
    assert done.facts["rows"] == 20


def test_a_job_that_starts_after_another_took_its_place_ends_as_cancelled_and_commits_nothing(
    make: Make, ingested: StageResult, platform: LocalPlatform
) -> None:
    step = make("sample")
    job = StepJob.of(step, stage="sample", upstream=[ingested], platform=platform)
    late = job.jobs.ledger.intend(
        step_key=str(step.key), pipeline="topics", stage="sample", inputs="i", platform="local", fence=0,
        token=lambda generation: "late",
    )  # fmt: skip
    raise_fence(step, 2)
    seen = ended(platform, submit(platform, make_job(step, late, [ingested]), "late"))
    assert seen.state is State.CANCELLED, Path(seen.logs).read_text()
    assert "another job has taken its place" in Path(seen.logs).read_text()
    assert step.lake.finished(step.key) is None


def test_a_job_elsewhere_tells_its_spans_to_the_collector_that_its_platform_names(
    make: Make, ingested: StageResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    monkeypatch.setattr(tracing, "carried", lambda: {"traceparent": parent})
    step = make("sample")
    with collector() as at, fake_emr() as fake:
        place = EmrServerless.model_validate({**EMR, "traces": at.url})
        there = replace(step, environment=step.environment.model_copy(update={"spark": Spark(platform=place)}))
        job = StepJob.of(there, stage="sample", upstream=[ingested], platform=EmrServerlessWorld(fake).platform)
        made = make_job(there, job.attach(), [ingested])
        words = [word for word in made.arguments if word != "--platform-session"]
        driver = LocalDriver(
            tmp_path, entry=made.entry, packages=made.packages, files=made.files, arguments=words, conf={}
        )
        assert driver.process.wait(120) == 0, driver.log.read_text()
    spans = [span for one in at.requests for resource in one.resource_spans for span in resource.scope_spans[0].spans]
    assert {span.trace_id.hex() for span in spans} == {parent[3:35]}


def test_where_spans_go_makes_no_other_job_of_it(make: Make, ingested: StageResult) -> None:
    step = make("sample")
    places = [EmrServerless.model_validate({**EMR, **more}) for more in ({}, {"traces": "http://collector:4318"})]
    digests = {
        digest_of_inputs(
            replace(step, environment=step.environment.model_copy(update={"spark": Spark(platform=place)})),
            stage="sample", upstream=[ingested],
        )
        for place in places
    }  # fmt: skip
    assert len(digests) == 1


def test_a_job_leaves_nothing_in_the_machines_temporary_folder(
    make: Make, ingested: StageResult, platform: LocalPlatform, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    entered = StepJob.of(make("sample"), stage="sample", upstream=[ingested], platform=platform).attach()
    seen = ended(platform, job_of(entered))
    assert seen.state is State.SUCCEEDED, Path(seen.logs).read_text()
    assert list(temporary.glob("pressrun-*")) == []


def test_the_folder_of_an_ended_job_goes_after_a_day(
    make: Make, ingested: StageResult, platform: LocalPlatform
) -> None:
    job = StepJob.of(make("sample"), stage="sample", upstream=[ingested], platform=platform)
    handle = job_of(entered := job.attach())
    ended(platform, handle)
    over = job.jobs.look(entered).ended_at
    assert over is not None
    folder = Path(platform.state(handle).logs).parent
    job.jobs.tidy(over + timedelta(hours=23))
    assert folder.is_dir()
    job.jobs.tidy(over + timedelta(hours=25))
    job.jobs.tidy(over + timedelta(hours=25))
    assert not folder.exists()


def test_a_killed_job_is_a_failure_of_the_platform(make: Make, platform: LocalPlatform, tmp_path: Path) -> None:
    from pressrun.compute import SparkJob

    program = tmp_path / "dies.py"
    program.write_text("import os, signal\nos.kill(os.getppid(), signal.SIGKILL)\n")
    seen = ended(platform, submit(platform, SparkJob(name="dies", entry=str(program)), "token"))
    assert (seen.state, seen.failure) == (State.FAILED, "platform")


def test_the_same_files_make_the_same_zip_without_config_and_bytecode() -> None:
    package.cache_clear()
    one = package()
    package.cache_clear()
    assert package().name == one.name
    names = zipfile.ZipFile(BytesIO(one.content)).namelist()
    assert "pressrun/compute/entry.py" in names
    assert not [name for name in names if name.endswith(".pyc") or "config/environments" in name]
    assert entry().name.startswith("entry-")


def test_what_was_half_written_is_written_again(tmp_path: Path) -> None:
    upload = Upload(stem="order", suffix=".json", content=b"{}{}")
    (tmp_path / upload.name).write_bytes(b"{}")
    assert Path(Uploads(str(tmp_path), {}).put(upload)).read_bytes() == b"{}{}"
