"""Whoever cannot sign in to a platform is told where it was tried and what to do, before anything is asked there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from google.auth.credentials import AnonymousCredentials

from pressrun.compute import ConfigurationFailed
from pressrun.compute.connect import DefaultClients, open_platform
from pressrun.config.environment import Environment
from pressrun.config.spark import DataprocServerless, EmrServerless, Spark
from pressrun.config.stages import Pods, Stages
from tests.compute.worlds import ROLE

GOOGLE = {"kind": "dataproc_serverless", "project": "news-prod", "region": "europe-west1"}
EMR = {"kind": "emr_serverless", "region": "eu-west-1", "application_id": "00abc123", "execution_role_arn": ROLE}


@pytest.fixture(autouse=True)
def _nobody(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path))
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS", raising=False)


def opened(environment: Environment, platform: dict[str, Any]) -> None:
    open_platform(environment.model_copy(update={"spark": Spark.model_validate({"platform": platform})}))


def test_google_without_credentials(environment: Environment) -> None:
    with pytest.raises(ConfigurationFailed, match=r"dataproc_serverless.*gcloud auth application-default login"):
        opened(environment, GOOGLE)


def test_quotas_are_asked_for_as_whom_the_terminal_acts_and_where_jobs_run(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    signed = AnonymousCredentials()  # type: ignore[no-untyped-call]
    monkeypatch.setattr("google.auth.default", lambda scopes: (signed, None))
    clients, google = DefaultClients(), DataprocServerless.model_validate(GOOGLE)
    for made in (clients.compute_regions(google), clients.compute_projects(google)):
        assert (made.transport._credentials, made.api_endpoint) == (signed, "compute.googleapis.com")
    quotas = clients.service_quotas(EmrServerless.model_validate(EMR))
    assert quotas.meta.endpoint_url == "https://servicequotas.eu-west-1.amazonaws.com"


def test_a_profile_of_aws_that_is_not_there(environment: Environment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "nope")
    with pytest.raises(ConfigurationFailed, match=r"emr_serverless.*nope.*AWS_PROFILE"):
        opened(environment, EMR)


def test_a_kubeconfig_that_is_not_there_is_named_with_its_key(environment: Environment, tmp_path: Path) -> None:
    place = {"kind": "kubernetes", "image": "spark:4", "kubeconfig": str(tmp_path / "none")}
    with pytest.raises(ConfigurationFailed, match=rf"{tmp_path}/none.*spark\.platform\.kubeconfig"):
        opened(environment, place)


def test_a_context_that_the_kubeconfig_lacks(environment: Environment, tmp_path: Path) -> None:
    file = tmp_path / "config"
    file.write_text("apiVersion: v1\nkind: Config\ncurrent-context: a\ncontexts: []\nclusters: []\nusers: []\n")
    place = {"kind": "kubernetes", "image": "spark:4", "kubeconfig": str(file), "context": "far"}
    with pytest.raises(ConfigurationFailed, match=r"far.*spark\.platform\.context"):
        opened(environment, place)


def test_a_stages_pods_name_their_own_key(environment: Environment, tmp_path: Path) -> None:
    stages = Stages.model_validate({"train": {"environment": {"image": "torch:1"}}})
    pods = Pods(namespace="news", kubeconfig=tmp_path / "none")
    with pytest.raises(ConfigurationFailed, match=r"pods\.kubeconfig"):
        open_platform(environment.model_copy(update={"stages": stages, "pods": pods}), stage="train")
