"""What a service is asked for and what is made of its answers, where platforms differ."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pressrun import compute
from pressrun.compute import State
from pressrun.compute.driver_pod import driver_pod, mebibytes
from pressrun.compute.platform import make_token, priced
from pressrun.config.spark import EmrServerless, Kubernetes
from tests.compute.worlds import (
    ROLE,
    DataprocClusterWorld,
    DataprocServerlessWorld,
    EmrServerlessWorld,
    KubernetesWorld,
    some_job,
    submit,
    world,
)
from tests.fakes.dataproc import fake_dataproc
from tests.fakes.emr import fake_emr
from tests.fakes.pods import fake_pods

TOKEN = make_token(step_key="k", inputs="i", generation=0)


def test_a_token_fits_every_service_and_names_step_inputs_and_generation() -> None:
    assert len(TOKEN) == 41
    assert make_token(step_key="k", inputs="i", generation=0) == TOKEN
    others = [("x", "i", 0), ("k", "x", 0), ("k", "i", 1)]
    assert TOKEN not in [make_token(step_key=k, inputs=i, generation=g) for k, i, g in others]


def test_emr_serverless_bills_by_its_units_at_the_environments_prices() -> None:
    with fake_emr() as fake:
        place = EmrServerlessWorld(fake)
        handle = submit(place.platform, some_job(), TOKEN)
        assert place.platform.state(handle).cost_usd is None
        place.end(handle, "well")
        seen = place.platform.state(handle)
    assert seen.usage == {"vCPUHour": 1.5, "memoryGBHour": 6.0, "storageGBHour": 0.0}
    assert seen.cost_usd == pytest.approx(1.5 * 0.1 + 6 * 0.01)


def test_dataproc_serverless_bills_by_its_units_at_the_environments_prices() -> None:
    with fake_dataproc() as fake:
        place = DataprocServerlessWorld(fake)
        handle = submit(place.platform, some_job("gs"), TOKEN)
        place.end(handle, "well")
        seen = place.platform.state(handle)
    assert seen.usage == {"DCUHour": 2.0, "shuffleStorageGBHour": 1.0}
    assert seen.cost_usd == pytest.approx(2 * 0.06 + 0.0001)


def test_without_a_price_there_is_no_cost() -> None:
    assert priced({"a": 1.0, "b": 2.0}, {"a": 0.5}) is None
    assert priced({"a": 1.0, "b": 0.0}, {"a": 0.5}) == 0.5
    assert priced({}, {"a": 0.5}) is None


def test_a_cluster_says_how_far_a_job_is() -> None:
    with fake_dataproc() as fake:
        fake.script["job"] = ["RUNNING"]
        place = DataprocClusterWorld(fake)
        seen = place.platform.state(submit(place.platform, some_job("gs"), TOKEN))
    assert (seen.state, seen.progress) == (State.RUNNING, 0.5)


@pytest.mark.parametrize(
    ("kind", "call"), [("emr_on_eks", "emr-containers:CancelJobRun"), ("dataproc_cluster", "cancel_job")]
)
def test_what_is_older_than_a_time_limit_that_the_service_does_not_know_is_ended_and_is_a_failure(
    tmp_path: Path, kind: str, call: str
) -> None:
    with world(kind, tmp_path) as place:
        place.fake.script = {"emr-containers": ["RUNNING"], "job": ["RUNNING"]}  # type: ignore[attr-defined]
        handle = submit(place.platform, place.job(), make_token(step_key="k", inputs="i", generation=0))
        assert place.platform.state(handle).state is State.RUNNING
        place.fake.runs[0].at -= timedelta(minutes=361)  # type: ignore[attr-defined]
        late = place.platform.state(handle)
        assert (late.state, late.cancelling) == (State.RUNNING, True)
        place.platform.state(handle)
        ended = place.platform.state(handle)
        assert (ended.state, ended.failure) == (State.FAILED, "job")
        assert "timeout_minutes" in ended.hint
        assert place.fake.calls.count(call) == 1  # type: ignore[attr-defined]


@pytest.mark.parametrize("kind", ["emr_serverless", "emr_on_eks", "dataproc_serverless", "dataproc_cluster"])
def test_a_job_may_jump_from_accepted_to_its_end(kind: str, tmp_path: Path) -> None:
    ends = {"emr-serverless": "SUCCESS", "emr-containers": "COMPLETED", "batch": "SUCCEEDED", "job": "DONE"}
    first = {"emr-serverless": "SUBMITTED"}
    with world(kind, tmp_path) as place:
        fake = place.fake  # type: ignore[attr-defined]
        fake.script = {name: [first.get(name, "PENDING"), ends[name]] for name in fake.script}
        handle = submit(place.platform, place.job(), TOKEN)
        assert place.platform.state(handle).state is State.SUCCEEDED


def test_emr_is_given_settings_that_need_no_quoting_and_the_environments_own_python() -> None:
    from pressrun.compute.emr_serverless import EmrServerlessPlatform
    from tests.compute.worlds import aws_client

    given = EmrServerless(
        kind="emr_serverless", region="eu-west-1", application_id="00abc123", execution_role_arn=ROLE,
        python_archive="s3://news/env.tar.gz",
    )  # fmt: skip
    with fake_emr() as fake:
        client = aws_client("emr-serverless", fake.url)
        submit(EmrServerlessPlatform(given, client, quotas=lambda: None), some_job(), TOKEN)
        asked = fake.runs[0].request
    settings = asked["configurationOverrides"]["applicationConfiguration"][0]["properties"]
    assert settings["spark.driver.extraJavaOptions"] == "-Da='b c' -Dd=\"e\""
    assert settings["spark.archives"] == "s3://news/env.tar.gz#environment"
    assert settings["spark.emr-serverless.driverEnv.PYSPARK_PYTHON"] == "./environment/bin/python"
    root = "s3://news/lake/_jobs"
    submitted = asked["jobDriver"]["sparkSubmit"]["sparkSubmitParameters"]
    assert submitted == f"--py-files {root}/pressrun-0.zip --files {root}/order-0.json"
    assert asked["executionTimeoutMinutes"] == 360


def test_a_batch_of_dataproc_is_limited_labelled_and_runs_as_its_account() -> None:
    with fake_dataproc() as fake:
        place = DataprocServerlessWorld(fake)
        job = some_job("gs", labels={"Pressrun-Pipeline": "News Topics"})
        submit(place.platform, job, TOKEN)
        batch = fake.runs[0].told
    assert dict(batch.labels) == {"pressrun-pipeline": "news-topics"}
    execution = batch.environment_config.execution_config
    assert execution.ttl.total_seconds() == 360 * 60
    assert execution.service_account == "spark@news-prod.iam.gserviceaccount.com"
    assert batch.runtime_config.version == "3.0"


def test_a_drivers_pod_is_what_spark_submit_would_make() -> None:
    place = Kubernetes(kind="kubernetes", namespace="news", image="spark:4")
    pod = driver_pod(some_job(), TOKEN, place)
    container = pod["spec"]["containers"][0]
    words = container["args"]
    assert words[0] == "driver"
    assert "spark.driver.host=$(SPARK_DRIVER_BIND_ADDRESS)" in words
    assert f"spark.kubernetes.driver.pod.name={TOKEN}" in words
    assert words[words.index("--py-files") + 1] == "s3a://news/lake/_jobs/pressrun-0.zip"
    assert words[-5:] == ["s3a://news/lake/_jobs/entry-0.py", *some_job().arguments]
    assert container["resources"]["requests"] == {"cpu": "2", "memory": "5734Mi"}
    assert pod["spec"]["restartPolicy"] == "Never"


def test_a_setting_cannot_pass_for_a_variable_of_kubernetes() -> None:
    from dataclasses import replace

    job = replace(some_job(), conf={"spark.a": "$(SECRET)"})
    pod = driver_pod(job, TOKEN, Kubernetes(kind="kubernetes", image="spark:4"))
    assert "spark.a=$$(SECRET)" in pod["spec"]["containers"][0]["args"]


@pytest.mark.parametrize(("given", "mib"), [("512m", 512), ("4g", 4096), ("1t", 1048576)])
def test_memory_is_read_as_spark_writes_it(given: str, mib: int) -> None:
    assert mebibytes(given) == mib


def test_a_pod_whose_image_is_not_there_for_a_moment_waits() -> None:
    with fake_pods() as fake:
        place = KubernetesWorld(fake)
        handle = submit(place.platform, some_job(), TOKEN)
        fake.wait(TOKEN, "ErrImagePull", since=datetime.now(UTC))
        seen = place.platform.state(handle)
        assert (seen.state, seen.detail) == (State.QUEUED, "ErrImagePull")
        assert TOKEN in fake.pods


def test_a_pod_that_cannot_start_is_deleted_before_it_is_told_as_failed() -> None:
    with fake_pods() as fake:
        place = KubernetesWorld(fake)
        handle = submit(place.platform, some_job(), TOKEN)
        place.end(handle, "configuration")
        assert place.platform.state(handle).failure == "configuration"
        assert fake.pods == {}


@pytest.mark.parametrize(
    ("code", "status", "state", "failure", "told"),
    [
        (137, {"why": "OOMKilled"}, State.FAILED, "job", "driver_memory"),
        (1, {"reason": "DeadlineExceeded"}, State.FAILED, "job", "timeout_minutes"),
        (143, {"conditions": [{"type": "DisruptionTarget", "status": "True"}]}, State.FAILED, "platform", "retry"),
        (75, {}, State.CANCELLED, None, ""),
    ],
)
def test_a_driver_that_ended_badly_is_told_by_its_cause(
    code: int, status: dict[str, object], state: State, failure: str | None, told: str
) -> None:
    with fake_pods() as fake:
        place = KubernetesWorld(fake)
        handle = submit(place.platform, some_job(), TOKEN)
        fake.end(TOKEN, "Failed", code, **status)
        seen = place.platform.state(handle)
    assert (seen.state, seen.failure) == (state, failure)
    assert told in seen.hint


def test_without_the_extras_everything_can_be_imported() -> None:
    missing = [
        "boto3",
        "botocore",
        "google.cloud.dataproc_v1",
        "airflow.providers.amazon.aws.hooks.emr",
        "airflow.providers.google.cloud.hooks.dataproc",
    ]
    names = [f"pressrun.compute.{file.stem}" for file in Path(compute.__file__).parent.glob("[a-z]*.py")]
    lines = [f"sys.modules[{name!r}] = None" for name in missing]
    lines += [f"import {name}" for name in (*names, "pressrun.driver", "operators.sample", "operators.platforms")]
    subprocess.run([sys.executable, "-c", "\n".join(["import sys", *lines])], check=True)
