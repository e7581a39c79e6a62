"""Mistakes in an environment's section spark.platform: each is told with file, line, key and remedy."""

from __future__ import annotations

import re

import pytest
from pydantic import ValidationError

from pressrun.check import check_all
from pressrun.config.load import load_environment
from pressrun.config.problems import ConfigError
from pressrun.config.spark import DataprocServerless, EmrServerless, Spark
from tests.config.conftest import Project

AWS, GCP = "config/environments/aws.yaml", "config/environments/gcp.yaml"
SET = {
    "PRESSRUN_DATABASE": "sqlite:////tmp/pressrun.db",
    "PRESSRUN_LANDING": "/tmp/landing",
    "MLFLOW_TRACKING_URI": "http://mlflow:5000",
    "PRESSRUN_EMR_APPLICATION": "00abc123",
    "PRESSRUN_EMR_ROLE": "arn:aws:iam::123456789012:role/pressrun-job",
    "PRESSRUN_PROJECT": "news-prod",
    "PRESSRUN_SPARK_ACCOUNT": "spark@news-prod.iam.gserviceaccount.com",
}
ROLE = "execution_role_arn: ${PRESSRUN_EMR_ROLE}\n    log"

MISTAKES = {
    "an unknown platform": (
        AWS, "    kind: emr_serverless", "    kind: emr-serverless",
        r'spark\.platform\.kind is "emr-serverless"; it must be one of local, .*Did you mean emr_serverless\?',
    ),
    "no platform": (AWS, "    kind: emr_serverless\n", "", r"spark\.platform\.kind is missing; it is required"),
    "a key left out": (
        AWS, "    application_id: ${PRESSRUN_EMR_APPLICATION}\n", "", r"spark\.platform\.application_id is missing",
    ),
    "a role's name for its ARN": (
        AWS, ROLE, "execution_role_arn: pressrun-job\n    log", r"execution_role_arn is .*; it is a role's ARN",
    ),
    "another platform's key": (
        GCP, "    service_account: ", "    application_id: a\n    service_account: ",
        r"application_id is \"a\"; there is no such key; known here: (?!.*execution_role_arn)",
    ),
    "a key misspelt": (AWS, "    timeout_minutes: 120", "    timeout_mins: 120", r"Did you mean timeout_minutes\?"),
    "memory in words": (AWS, "driver_memory: 4g", "driver_memory: 4 GB", r"driver_memory is .*512m or 4g"),
    "cores that no machine has": (
        GCP, "driver_cores: 4", "driver_cores: 2", r"resources\.driver_cores is 2; .*4, 8 or 16 cores",
    ),
    "a price of what is not billed": (
        AWS, "prices: {vCPUHour:", "prices: {vCPUHours:",
        r"prices\.vCPUHours is .*bills by vCPUHour, memoryGBHour, storageGBHour\. Did you mean vCPUHour\?",
    ),
    "a price below nothing": (
        AWS, "vCPUHour: 0.05", "vCPUHour: -0.05", r"prices\.vCPUHour is -0\.05.*; it must be at least 0",
    ),
    "a label that no cloud takes": (
        AWS, "labels: {team: newsroom}", 'labels: {"cost center": a}', r"labels\.cost center is .*no cloud takes",
    ),
    "a label of everything that no cloud takes": (
        AWS, "serving:\n", 'labels: {"7team": x}\nserving:\n', r"labels\.7team is \"x\"; no cloud takes",
    ),
    "a database that is not taken": (
        AWS, "database: ${PRESSRUN_DATABASE}", "database: mysql://h/d", r"database is .*; it is a URL of SQLite or",
    ),
    "PostgreSQL by its old name": (
        AWS, "database: ${PRESSRUN_DATABASE}", "database: postgres://u:hush@h/d",
        r"database is (?!.*hush).*Did you mean postgresql://\?",
    ),
    "a database that no other process sees": (
        AWS, "database: ${PRESSRUN_DATABASE}", 'database: "sqlite://"', r"database is .*shared by processes",
    ),
    "DuckDB on a platform": (AWS, "  engine: spark", "  engine: duckdb", r'spark\.engine is "duckdb"; it is no Spark'),
}  # fmt: skip


@pytest.fixture(autouse=True)
def _set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in SET.items():
        monkeypatch.setenv(name, value)


@pytest.mark.parametrize("kind", ["kubernetes", "emr_on_eks"])
def test_prices_of_a_platform_that_does_not_say_what_a_job_used_are_refused(kind: str) -> None:
    keys = {
        "kubernetes": {"image": "spark:4"},
        "emr_on_eks": {
            "region": "eu-west-1",
            "virtual_cluster_id": "a",
            "release_label": "r",
            "execution_role_arn": SET["PRESSRUN_EMR_ROLE"],
        },
    }[kind]
    with pytest.raises(ValidationError, match="does not say what a job has used"):
        Spark.model_validate({"platform": {"kind": kind, "prices": {"vCPUHour": 1}, **keys}})


UNREACHABLE = {
    "a lake on one machine": (
        AWS,
        "s3://news/lake}",
        "/srv/lake}",
        r"lake\.root is .*jobs of emr_serverless run elsewhere",
    ),
    "a lake in another cloud's store": (
        AWS,
        "s3://news/lake}",
        "abfss://news/lake}",
        r"lake\.root is .*s3:// or gs://",
    ),
    "a lake of a laptop on Dataproc": (GCP, "gs://news/lake}", "lake}", r"lake\.root is .*dataproc_serverless"),
    "code on one machine": (
        AWS,
        "    timeout_minutes",
        "    staging: /srv/jobs\n    timeout_minutes",
        r'spark\.platform\.staging is "/srv/jobs"',
    ),
    "packages on one machine": (
        AWS,
        "    timeout_minutes",
        "    python_archive: /srv/env.tar.gz\n    timeout_minutes",
        r"spark\.platform\.python_archive is .*s3://",
    ),
}


@pytest.mark.parametrize(("file", "old", "new", "told"), UNREACHABLE.values(), ids=UNREACHABLE)
def test_check_tells_what_jobs_elsewhere_cannot_reach(
    project: Project, file: str, old: str, new: str, told: str
) -> None:
    whole = project.folder / file
    assert check_all(environment=whole) == []
    project.spoil(old, new, file=file)
    (problem,) = check_all(environment=whole)
    assert re.search(rf"{file}:\d+: {told}", str(problem)), str(problem)


def test_a_cluster_may_have_the_lake_on_a_volume_of_all_its_pods(project: Project) -> None:
    file = project.folder / "config/environments/kubernetes.yaml"
    assert [problem for problem in check_all(environment=file) if problem.key == "lake.root"] == []


@pytest.mark.parametrize(("file", "old", "new", "told"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_told_with_file_line_key_and_remedy(
    project: Project, file: str, old: str, new: str, told: str
) -> None:
    project.spoil(old, new, file=file)
    with pytest.raises(ConfigError) as raised:
        load_environment(project.folder / file)
    assert re.search(rf"{file}:\d+: .*{told}", str(raised.value)), str(raised.value)


def test_the_environments_that_ship_name_a_platform_of_their_cloud(project: Project) -> None:
    assert isinstance(load_environment(project.folder / AWS).spark.platform, EmrServerless)
    assert isinstance(load_environment(project.folder / GCP).spark.platform, DataprocServerless)


def test_a_laptop_runs_spark_in_the_tasks_own_process(project: Project) -> None:
    assert not load_environment(project.folder / "config/environments/laptop.yaml").spark.elsewhere
