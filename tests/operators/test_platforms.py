"""Every platform is reached by its connection, through its provider's hook."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.google.cloud.hooks.dataproc import DataprocHook

from operators.platforms import HookClients, connected_platform
from pressrun.compute import ConfigurationFailed
from pressrun.compute.outlook import LooksAhead
from pressrun.config.environment import Environment
from pressrun.config.spark import Spark
from tests.compute.worlds import ROLE, some_job, submit
from tests.fakes.dataproc import fake_dataproc
from tests.fakes.emr import fake_emr
from tests.fakes.pods import fake_pods

TOKEN = "pressrun-0123456789abcdef0123456789abcdef"


def away(environment: Environment, platform: dict[str, Any]) -> Environment:
    return environment.model_copy(update={"spark": Spark.model_validate({"platform": platform})})


AWS = {"region": "eu-west-1", "execution_role_arn": ROLE}
EMR = {
    "emr_serverless": {"kind": "emr_serverless", "application_id": "00abc123", **AWS},
    "emr_on_eks": {"kind": "emr_on_eks", "virtual_cluster_id": "vc0abc", "release_label": "emr-spark-8.0.0", **AWS},
}


@pytest.mark.parametrize("platform", EMR.values(), ids=EMR)
def test_emr_by_the_connection_that_the_operator_names(
    environment: Environment, monkeypatch: pytest.MonkeyPatch, platform: dict[str, Any]
) -> None:
    with fake_emr() as fake:
        signed = {"conn_type": "aws", "login": "A", "password": "s", "extra": {"endpoint_url": fake.url}}
        monkeypatch.setenv("AIRFLOW_CONN_AWS_NIGHT", json.dumps(signed))
        found = connected_platform(away(environment, platform), HookClients(aws_conn_id="aws_night"))
        assert submit(found, some_job(), TOKEN).platform == platform["kind"]
    assert len(fake.runs) == 1


def test_quotas_of_the_account_by_the_same_connection(
    environment: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    with fake_emr() as fake:
        fake.quotas["L-D05C8A75"] = 3
        signed = {"conn_type": "aws", "login": "A", "password": "s", "extra": {"endpoint_url": fake.url}}
        monkeypatch.setenv("AIRFLOW_CONN_AWS_NIGHT", json.dumps(signed))
        place = away(environment, EMR["emr_serverless"])
        found = connected_platform(place, HookClients(aws_conn_id="aws_night"))
        assert isinstance(found, LooksAhead)
        assert ("quota", "bad") in {(one.what, one.state) for one in found.outlook()}


GOOGLE = {
    "project": "news-prod",
    "region": "europe-west1",
    "impersonation_chain": ["a@news-prod.iam", "b@news-prod.iam"],
}
DATAPROC = {
    "dataproc_serverless": ({"kind": "dataproc_serverless", **GOOGLE}, "get_batch_client", "batches"),
    "dataproc_cluster": ({"kind": "dataproc_cluster", "cluster": "spark", **GOOGLE}, "get_job_client", "jobs"),
}


@pytest.mark.parametrize(("platform", "method", "client"), DATAPROC.values(), ids=DATAPROC)
def test_dataproc_by_its_hook_with_region_and_impersonation_chain(
    environment: Environment, monkeypatch: pytest.MonkeyPatch, platform: dict[str, Any], method: str, client: str
) -> None:
    asked = []
    monkeypatch.setenv("AIRFLOW_CONN_GOOGLE_NIGHT", json.dumps({"conn_type": "google_cloud_platform"}))
    with fake_dataproc() as fake:

        def made(hook: DataprocHook, region: str) -> Any:
            asked.append((hook.gcp_conn_id, region, hook.impersonation_chain))
            return getattr(fake, client)()

        monkeypatch.setattr(DataprocHook, method, made)
        found = connected_platform(away(environment, platform), HookClients(gcp_conn_id="google_night"))
        assert submit(found, some_job("gs"), TOKEN).job_id == TOKEN
    assert asked == [("google_night", "europe-west1", GOOGLE["impersonation_chain"])]
    assert len(fake.runs) == 1


@pytest.mark.parametrize(("platform", "method", "client"), DATAPROC.values(), ids=DATAPROC)
def test_quotas_of_the_project_as_whom_the_connection_acts(
    environment: Environment, monkeypatch: pytest.MonkeyPatch, platform: dict[str, Any], method: str, client: str
) -> None:
    signed: list[Any] = []
    monkeypatch.setenv("AIRFLOW_CONN_GOOGLE_NIGHT", json.dumps({"conn_type": "google_cloud_platform"}))
    with fake_dataproc() as fake:
        monkeypatch.setattr(DataprocHook, method, lambda hook, region: getattr(fake, client)())
        monkeypatch.setattr(DataprocHook, "get_cluster_client", lambda hook, region: fake.cluster_controller())
        monkeypatch.setattr(DataprocHook, "get_credentials", lambda hook: tuple(hook.impersonation_chain))
        # Google's own would insist on TLS.
        for name, made in (("RegionsClient", fake.compute.regions()), ("ProjectsClient", fake.compute.projects())):
            monkeypatch.setattr(
                f"google.cloud.compute_v1.{name}", lambda credentials, made=made: signed.append(credentials) or made
            )
        found = connected_platform(away(environment, platform), HookClients(gcp_conn_id="google_night"))
        assert isinstance(found, LooksAhead)
        assert {one.state for one in found.outlook() if one.what.startswith("quota")} == {"good"}
    assert signed == [tuple(GOOGLE["impersonation_chain"])] * 2


def test_kubernetes_by_a_connection_with_a_kubeconfig(
    environment: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    platform = {"kind": "kubernetes", "image": "spark:4", "namespace": "news", "kubernetes_conn_id": "cluster_night"}
    with fake_pods() as fake:
        kubeconfig = {
            "apiVersion": "v1", "kind": "Config", "current-context": "c",
            "clusters": [{"name": "c", "cluster": {"server": fake.url}}], "users": [{"name": "u", "user": {}}],
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        }  # fmt: skip
        signed = {"conn_type": "kubernetes", "extra": {"kube_config": json.dumps(kubeconfig)}}
        monkeypatch.setenv("AIRFLOW_CONN_CLUSTER_NIGHT", json.dumps(signed))
        found = connected_platform(away(environment, platform), HookClients())
        assert submit(found, some_job(), TOKEN).job_id == TOKEN
    assert fake.created == [TOKEN]


def test_without_the_providers_it_says_which_extra_to_install(
    environment: Environment, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "airflow.providers.amazon.aws.hooks.emr", None)
    with pytest.raises(ConfigurationFailed, match=r"pressrun\[aws\]"):
        connected_platform(away(environment, EMR["emr_serverless"]), HookClients())
