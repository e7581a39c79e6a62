"""Mistakes in an environment's section spark.platform: each is told with file, line, key and remedy."""

from __future__ import annotations

import re

import pytest

from pressrun.config.load import load_environment
from pressrun.config.problems import ConfigError
from pressrun.config.spark import DataprocServerless, EmrServerless
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
    "DuckDB on a platform": (AWS, "  engine: spark", "  engine: duckdb", r'spark\.engine is "duckdb"; it is no Spark'),
}  # fmt: skip


@pytest.fixture(autouse=True)
def _set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in SET.items():
        monkeypatch.setenv(name, value)


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
