"""What quotas leave for a job, over the services' wires: told before the first one, with where to ask for more."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from pressrun.compute.connect import kubeconfig_client
from pressrun.compute.outlook import Outlook
from pressrun.compute.quotas import EMR_SERVERLESS, VCPUS
from tests.compute.worlds import DataprocClusterWorld, DataprocServerlessWorld, EmrOnEksWorld, EmrServerlessWorld
from tests.fakes.compute_engine import FakeCompute
from tests.fakes.dataproc import FakeDataproc, fake_dataproc
from tests.fakes.emr import FakeEmr, fake_emr
from tests.fakes.pods import FakePods, fake_pods


@pytest.fixture
def amazon() -> Iterator[FakeEmr]:
    with fake_emr() as made:
        yield made


@pytest.fixture
def google() -> Iterator[FakeDataproc]:
    with fake_dataproc() as made:
        yield made


@pytest.fixture
def eks() -> Iterator[FakePods]:
    with fake_pods() as made:
        yield made


def looked(world: Any) -> dict[str, Outlook]:
    """What is said of quotas, by what was looked at."""
    return {one.what: one for one in world.platform.outlook() if one.what.startswith(("quota", "region"))}


@pytest.mark.parametrize(("most", "state"), [(6, "good"), (5, "doubt"), (4, "doubt"), (3, "bad")])
def test_an_account_must_have_the_vcpus_of_a_job_and_at_least_those_of_one_executor(
    amazon: FakeEmr, most: float, state: str
) -> None:
    amazon.quotas[VCPUS] = most
    told = looked(EmrServerlessWorld(amazon))["quota"]
    assert told.state == state
    assert told.words == f"a job asks for 6 vCPU, all jobs of the account in eu-west-1 may have {most}"
    if state != "good":
        assert f"/servicequotas/home/services/{EMR_SERVERLESS}/quotas/{VCPUS}" in told.remedy
    assert "service-quotas:GetAWSDefaultServiceQuota" not in amazon.calls


def test_a_quota_that_was_never_changed_is_every_accounts(amazon: FakeEmr) -> None:
    assert looked(EmrServerlessWorld(amazon))["quota"].words.endswith("may have 16")
    asked = ["service-quotas:GetServiceQuota", "service-quotas:GetAWSDefaultServiceQuota"]
    assert [call for call in amazon.calls if call.startswith("service-quotas")] == asked


@pytest.mark.parametrize("operation", ["GetServiceQuota", "GetAWSDefaultServiceQuota"])
def test_an_account_quota_that_may_not_be_looked_at_is_a_doubt_with_the_right_to_allow(
    amazon: FakeEmr, operation: str
) -> None:
    amazon.troubles[operation] = ["denied"]
    told = looked(EmrServerlessWorld(amazon))["quota"]
    assert (told.state, told.words.startswith("not looked at: ")) == ("doubt", True)
    assert f"servicequotas:{operation}" in told.remedy


def test_service_quotas_that_do_not_answer_are_a_doubt(amazon: FakeEmr) -> None:
    amazon.troubles["GetServiceQuota"] = ["throttled"]
    told = looked(EmrServerlessWorld(amazon))["quota"]
    assert (told.state, told.remedy) == ("doubt", "look again when it answers")


REGIONS: dict[str, tuple[str, tuple[float, float], str, str]] = {
    "room for all": ("CPUS", (24, 12), "good", ""),
    "others have it": ("CPUS", (24, 13), "doubt", "ask for more"),
    "never enough": ("CPUS", (11, 0), "bad", "ask for more"),
    "no disk": ("DISKS_TOTAL_GB", (2048, 1200), "doubt", "ask for more"),
    "never the disk": ("DISKS_TOTAL_GB", (1000, 0), "bad", "ask for more"),
}


@pytest.mark.parametrize(("metric", "quota", "state", "remedy"), REGIONS.values(), ids=REGIONS)
def test_a_region_must_leave_the_cpus_and_disks_of_a_batch(
    google: FakeDataproc, metric: str, quota: tuple[float, float], state: str, remedy: str
) -> None:
    google.compute.quotas[metric] = quota
    told = looked(DataprocServerlessWorld(google))
    assert (told[f"quota {metric}"].state, remedy in told[f"quota {metric}"].remedy) == (state, True)
    assert {one.state for what, one in told.items() if what != f"quota {metric}"} == {"good"}


def test_the_words_name_what_is_asked_for_and_what_there_is_and_where_to_ask_for_more(google: FakeDataproc) -> None:
    google.compute.quotas["DISKS_TOTAL_GB"] = (2048.0, 1200.0)
    told = looked(DataprocServerlessWorld(google))["quota DISKS_TOTAL_GB"]
    assert told.words == "a job asks for 1200, the region europe-west1 has 2048, of which 1200 are in use"
    assert "https://console.cloud.google.com/iam-admin/quotas?project=news-prod" in told.remedy


def test_the_cpus_of_all_regions_count_as_well(google: FakeDataproc) -> None:
    google.compute.of_all_regions["CPUS_ALL_REGIONS"] = (8.0, 0.0)
    told = looked(DataprocServerlessWorld(google))["quota CPUS_ALL_REGIONS"]
    assert (told.state, "the project news-prod has 8" in told.words) == ("bad", True)


@pytest.mark.parametrize(
    ("right", "what"), [("compute.regions.get", "quota"), ("compute.projects.get", "quota of all regions")]
)
def test_quotas_of_google_that_may_not_be_looked_at_are_a_doubt_with_the_right_to_grant(
    google: FakeDataproc, right: str, what: str
) -> None:
    google.compute.troubles[right] = ["denied"]
    told = looked(DataprocServerlessWorld(google))[what]
    assert (told.state, told.words.startswith("not looked at: ")) == ("doubt", True)
    assert f"Grant {right}" in told.remedy


def test_an_api_that_is_not_enabled_is_told_in_googles_words(google: FakeDataproc) -> None:
    google.compute.troubles["compute.regions.get"] = ["disabled"]
    told = looked(DataprocServerlessWorld(google))["quota"]
    assert (told.state, "Compute Engine API has not been used" in told.words) == ("doubt", True)


def test_a_region_that_is_not_there_is_bad(google: FakeDataproc) -> None:
    google.compute.region = "europe-west4"
    told = looked(DataprocServerlessWorld(google))["region"]
    assert (told.state, "'projects/news-prod/regions/europe-west1' was not found" in told.words) == ("bad", True)


def test_a_region_that_tells_no_quotas_is_a_doubt_and_no_pass(google: FakeDataproc) -> None:
    google.compute.warning = "Quota information is not available"
    told = looked(DataprocServerlessWorld(google))["quota CPUS"]
    assert (told.state, told.words.endswith(google.compute.warning)) == ("doubt", True)


@pytest.mark.parametrize(("machine", "metric"), [("n2-standard-4", "N2_CPUS"), ("n1-standard-4", "CPUS")])
def test_a_cluster_that_scales_itself_grows_by_the_quota_of_its_machines(
    google: FakeDataproc, machine: str, metric: str
) -> None:
    address = f"https://www.googleapis.com/compute/v1/projects/news-prod/zones/europe-west1-b/machineTypes/{machine}"
    google.clusters["spark"].config.worker_config.machine_type_uri = address
    assert looked(DataprocClusterWorld(google))[f"quota {metric}"].state == "good"
    google.compute.quotas[metric] = (4.0, 4.0)
    # What the cluster has already may do.
    assert looked(DataprocClusterWorld(google))[f"quota {metric}"].state == "doubt"


def test_a_family_whose_quota_the_region_does_not_tell_is_a_doubt(google: FakeDataproc) -> None:
    google.clusters["spark"].config.worker_config.machine_type_uri = "n4-standard-4"
    told = looked(DataprocClusterWorld(google))["quota N4_CPUS"]
    assert (told.state, "iam-admin/quotas" in told.remedy) == ("doubt", True)


def test_a_cluster_that_does_not_scale_itself_takes_no_quota_and_none_is_asked_for(google: FakeDataproc) -> None:
    google.clusters["spark"].config.autoscaling_config.policy_uri = ""
    assert looked(DataprocClusterWorld(google))["quota"].state == "skipped"
    assert google.compute.calls == []


def of_eks(amazon: FakeEmr, eks: FakePods, **hard: str) -> Outlook:
    eks.quotas["spark"] = [{"metadata": {"name": "q"}, "status": {"hard": hard, "used": {"pods": "1"}}}]
    names: list[frozenset[str]] = []
    told = looked(EmrOnEksWorld(amazon, lambda given: names.append(given) or eks.client()))["quota"]  # type: ignore[func-returns-value]
    assert names == [frozenset({"arn:aws:eks:eu-west-1:123456789012:cluster/news", "news.eu-west-1.eksctl.io"})]
    return told


HARD: dict[str, tuple[dict[str, str], str]] = {
    "none": ({}, "good"),
    "room for all": ({"pods": "5", "requests.cpu": "6", "limits.memory": "28Gi"}, "good"),
    "room for one executor": ({"pods": "4"}, "doubt"),
    "room for none": ({"pods": "3"}, "bad"),
    "few cores": ({"cpu": "5"}, "doubt"),
    "too few cores": ({"requests.cpu": "3"}, "bad"),
    "little memory": ({"requests.memory": "27Gi"}, "doubt"),
    "too little memory": ({"memory": "12Gi"}, "bad"),
}


@pytest.mark.parametrize(("hard", "state"), HARD.values(), ids=HARD)
def test_the_namespace_of_a_virtual_cluster_must_have_room_for_a_jobs_pods(
    amazon: FakeEmr, eks: FakePods, hard: dict[str, str], state: str
) -> None:
    assert of_eks(amazon, eks, **hard).state == state


def test_a_namespace_that_may_not_be_looked_at_is_a_doubt(amazon: FakeEmr, eks: FakePods) -> None:
    eks.troubles["GET"] = ["denied"]
    told = of_eks(amazon, eks)
    assert (told.state, told.words) == ("doubt", "not looked at: the cluster's API answered 403 Forbidden")
    assert told.remedy == "allow this account to list resourcequotas in the namespace spark"


def test_a_namespace_without_a_kubeconfig_is_told_as_not_looked_at(amazon: FakeEmr) -> None:
    told = looked(EmrOnEksWorld(amazon))["quota"]
    assert (told.state, told.words.startswith("not looked at: no kubeconfig here has the EKS cluster news")) == (
        "skipped", True,
    )  # fmt: skip
    assert told.remedy.startswith("aws eks update-kubeconfig --name news --region eu-west-1")


def test_a_kubeconfig_is_searched_for_the_cluster_itself_whatever_its_contexts_are_called(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arn = "arn:aws:eks:eu-west-1:123456789012:cluster/news"
    clusters = [{"name": name, "cluster": {"server": f"http://{host}"}} for name, host in ((arn, "a"), ("b", "b"))]
    file = tmp_path / "config"
    contexts = [{"name": name, "context": {"cluster": of, "user": "u"}} for name, of in (("x", "b"), ("night", arn))]
    told = {"clusters": clusters, "contexts": contexts, "users": [{"name": "u", "user": {}}], "current-context": "x"}
    file.write_text(yaml.safe_dump({"apiVersion": "v1", "kind": "Config", **told}))
    monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(file))
    assert kubeconfig_client(frozenset({arn})).configuration.host == "http://a"
    assert kubeconfig_client(frozenset({"another"})) is None
    file.unlink()
    assert kubeconfig_client(frozenset({arn})) is None


def test_the_fakes_take_and_give_only_what_the_vendors_models_have(
    amazon: FakeEmr, google: FakeDataproc, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FakeCompute, "obey", lambda *given: {"kind": "compute#region", "quota": []})
    assert "is not in the document" in looked(DataprocServerlessWorld(google))["quota"].words
    monkeypatch.setattr(FakeEmr, "_changed_quota", lambda *given: {"Quota": {"Value": "many"}})
    assert "is not in the model" in looked(EmrServerlessWorld(amazon))["quota"].words
