"""Every job says whose it is, of which pipeline, run and stage, by the rules of the cloud that it runs on."""

from __future__ import annotations

import pytest

from pressrun.compute.driver_pod import driver_pod
from pressrun.compute.google import labels as google_labels
from pressrun.compute.labels import aws_tags, labels_of, pod_labels
from pressrun.compute.platform import SparkJob
from pressrun.config.environment import Environment
from pressrun.config.pipeline import Pipeline
from pressrun.config.spark import Kubernetes
from pressrun.jobs import ExternalJobs, open_database
from pressrun.lake import Lake
from pressrun.lake.types import StepKey
from pressrun.step import Step

RUN = "scheduled__2026-01-05T03:00:00+00:00"


@pytest.fixture
def labels(environment: Environment, pipeline: Pipeline, lake: Lake) -> dict[str, str]:
    place = environment.model_copy(update={"labels": {"cost-center": "42", "env": "test"}})
    key = StepKey(dag_id="topics_retrain", run_id=RUN, task_id="sample")
    step = Step(key=key, pipeline=pipeline.model_copy(update={"owner": "News & ML"}), environment=place, lake=lake)
    entered = ExternalJobs(open_database(environment.database)).intend(
        step_key=str(key), pipeline="topics", stage="sample", inputs="i", platform="kubernetes", fence=0,
        token=lambda generation: f"pressrun-{generation}",
    )  # fmt: skip
    return labels_of(step, entered, {"env": "production"})


def test_a_job_is_labeled_with_team_pipeline_run_and_stage_and_what_the_environment_adds(
    labels: dict[str, str],
) -> None:
    assert labels == {
        "pressrun-team": "News & ML", "pressrun-pipeline": "topics", "pressrun-run": RUN, "pressrun-stage": "sample",
        "pressrun-token": "pressrun-0", "cost-center": "42", "env": "production",
    }  # fmt: skip


def test_each_cloud_gets_values_that_it_takes(labels: dict[str, str]) -> None:
    assert aws_tags(labels)["pressrun-team"] == "News - ML"
    assert aws_tags(labels)["pressrun-run"] == RUN
    assert google_labels(labels)["pressrun-run"] == "scheduled__2026-01-05t03-00-00-00-00"
    assert pod_labels(labels)["pressrun-run"] == "scheduled__2026-01-05T03-00-00-00-00"


def test_drivers_and_executors_carry_the_keys_that_kubernetes_recommends(labels: dict[str, str]) -> None:
    job = SparkJob(name="topics sample", entry="e.py", labels=labels)
    pod = driver_pod(job, "pressrun-0", Kubernetes(kind="kubernetes", image="spark:4"))
    standard = {"name": "pressrun", "part-of": "topics", "component": "sample", "managed-by": "pressrun"}
    for key, value in standard.items():
        assert pod["metadata"]["labels"][f"app.kubernetes.io/{key}"] == value
        executor = f"spark.kubernetes.executor.label.app.kubernetes.io/{key}={value}"
        assert executor in pod["spec"]["containers"][0]["args"]
