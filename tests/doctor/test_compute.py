"""Whether the platform of Spark jobs answers, and what it says of where jobs are to run, over the services' wires."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from pressrun.config.environment import Environment
from pressrun.config.spark import Spark
from pressrun.doctor import Found, compute, examine
from tests.compute.worlds import (
    ROLE,
    DataprocClusterWorld,
    DataprocServerlessWorld,
    EmrOnEksWorld,
    EmrServerlessWorld,
    KubernetesWorld,
)
from tests.fakes.dataproc import fake_dataproc
from tests.fakes.emr import FakeEmr, fake_emr
from tests.fakes.pods import fake_pods

PLATFORM = {"kind": "emr_serverless", "region": "eu-west-1", "application_id": "00abc123", "execution_role_arn": ROLE}


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeEmr]:
    with fake_emr() as made:
        monkeypatch.setattr(compute, "_connect", lambda environment: EmrServerlessWorld(made).platform)
        yield made


def found(environment: Environment, **spark: Any) -> Found:
    place = environment.model_copy(update={"spark": Spark.model_validate(spark)})
    return next(iter(examine(place, [], only=["compute"])))


def test_a_platform_that_answers_is_good_and_no_job_is_started(fake: FakeEmr, environment: Environment) -> None:
    assert found(environment, platform=PLATFORM).state == "good"
    assert looked(environment, EmrServerlessWorld(fake)) == {
        "emr_serverless": ("good", "it answers, and this account may look for jobs there"),
        "application": ("good", "00abc123 is STARTED, of release emr-spark-8.0.0"),
        "role": ("skipped", "whether pressrun-job may be passed, and may read the lake, only a job shows"),
        "quota": ("good", "a job asks for 6 vCPU, all jobs of the account in eu-west-1 may have 16"),
    }
    assert fake.runs == []


@pytest.mark.parametrize(
    ("trouble", "words"), [("denied", "was denied"), ("expired", "do not hold"), ("refused", "was refused")]
)
def test_an_account_that_may_not_ask_is_bad_with_what_to_allow(
    fake: FakeEmr, environment: Environment, trouble: Any, words: str
) -> None:
    fake.troubles["ListJobRuns"] = [trouble]
    one = found(environment, platform=PLATFORM)
    assert (one.state, words in one.words) == ("bad", True)
    assert one.remedy


def looked(environment: Environment, world: Any) -> dict[str, tuple[str, str]]:
    """What the doctor finds on a platform, by what it looked at."""
    compute._connect = lambda environment: world.platform
    place = environment.model_copy(update={"spark": Spark.model_validate({"platform": PLATFORM})})
    return {one.what: (one.state, one.words) for one in examine(place, [], only=["compute"])}


@pytest.fixture(autouse=True)
def _unconnected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compute, "_connect", None)


APPLICATIONS: dict[str, tuple[dict[str, Any], str, str]] = {
    "of Spark 3": ({"releaseLabel": "emr-7.5.0"}, "bad", "emr-spark-8.0 or later"),
    "of Hive": ({"type": "Hive"}, "bad", "an application of type Spark"),
    "ended": ({"state": "TERMINATED"}, "bad", "another application"),
    "stopped for good": (
        {"state": "STOPPED", "autoStartConfiguration": {"enabled": False}}, "bad", "emr-serverless start-application",
    ),
    "stopped until a job comes": ({"state": "STOPPED"}, "good", ""),
    "too small": ({"maximumCapacity": {"cpu": "4 vCPU", "memory": "100 GB"}}, "doubt", "maximum capacity"),
    "with little memory": ({"maximumCapacity": {"cpu": "400 vCPU", "memory": "16 GB"}}, "doubt", "maximum capacity"),
    "with memory for all but Spark's overhead": (
        {"maximumCapacity": {"cpu": "6 vCPU", "memory": "20 GB"}}, "doubt", "maximum capacity",
    ),
    "with little disk": (
        {"maximumCapacity": {"cpu": "6 vCPU", "memory": "23 GB", "disk": "40 GB"}}, "doubt", "maximum capacity",
    ),
    "just right": ({"maximumCapacity": {"cpu": "6 vCPU", "memory": "23 GB", "disk": "60 GB"}}, "good", ""),
    "too small for one executor": (
        {"maximumCapacity": {"cpu": "3 vCPU", "memory": "100 GB"}}, "bad", "maximum capacity",
    ),
    "of another account": (
        {"arn": "arn:aws:emr-serverless:eu-west-1:999999999999:/applications/00abc123"}, "bad", "999999999999",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("told", "state", "remedy"), APPLICATIONS.values(), ids=APPLICATIONS)
def test_an_application_that_cannot_run_a_job_is_told_with_a_remedy(
    fake: FakeEmr, environment: Environment, told: dict[str, Any], state: str, remedy: str
) -> None:
    fake.places["00abc123"] = fake.places["00abc123"] | told
    place = environment.model_copy(update={"spark": Spark.model_validate({"platform": PLATFORM})})
    compute._connect = lambda environment: EmrServerlessWorld(fake).platform
    seen = [one for one in examine(place, [], only=["compute"]) if one.state != "skipped"]
    assert {one.state for one in seen} == {"good", state}
    assert any(remedy in one.remedy for one in seen)


def test_an_application_that_is_not_there_is_bad(fake: FakeEmr, environment: Environment) -> None:
    state, words = looked(environment, EmrServerlessWorld(fake, "00none"))["application"]
    assert (state, "doesn't exist" in words) == ("bad", True)


def test_what_may_not_be_looked_at_is_a_doubt(fake: FakeEmr, environment: Environment) -> None:
    fake.troubles["GetApplication"] = ["denied"]
    state, words = looked(environment, EmrServerlessWorld(fake))["application"]
    assert (state, "emr-serverless:GetApplication was denied" in words) == ("doubt", True)


def test_quotas_are_among_what_the_doctor_finds(fake: FakeEmr, environment: Environment) -> None:
    fake.quotas["L-D05C8A75"] = 2
    assert looked(environment, EmrServerlessWorld(fake))["quota"][0] == "bad"
    assert looked(environment, EmrOnEksWorld(fake))["quota"][0] == "skipped"
    with fake_dataproc() as google:
        google.compute.quotas["CPUS"] = (8.0, 0.0)
        assert looked(environment, DataprocServerlessWorld(google))["quota CPUS"][0] == "bad"
        google.compute.quotas["N2_CPUS"] = (0.0, 0.0)
        assert looked(environment, DataprocClusterWorld(google))["quota N2_CPUS"][0] == "doubt"


def test_a_virtual_cluster_that_does_not_run_is_bad(fake: FakeEmr, environment: Environment) -> None:
    assert looked(environment, EmrOnEksWorld(fake))["virtual cluster"][0] == "good"
    fake.places["vc0abc"] = fake.places["vc0abc"] | {"state": "ARRESTED"}
    assert looked(environment, EmrOnEksWorld(fake))["virtual cluster"] == ("bad", "vc0abc is ARRESTED")


def test_a_dataproc_cluster_is_looked_at(environment: Environment) -> None:
    with fake_dataproc() as fake:
        assert looked(environment, DataprocClusterWorld(fake))["cluster"][0] == "good"
        state, words = looked(environment, DataprocClusterWorld(fake, "none"))["cluster"]
        assert (state, "Not found" in words) == ("bad", True)
        fake.clusters["spark"].config.software_config.image_version = "2.2.40-debian12"
        assert looked(environment, DataprocClusterWorld(fake))["cluster"][0] == "bad"
        fake.clusters["spark"].config.software_config.image_version = "3.0"
        fake.clusters["spark"].status.state = "STOPPED"
        assert looked(environment, DataprocClusterWorld(fake))["cluster"] == ("bad", "spark is STOPPED, of image 3.0")
        assert fake.runs == []


def test_dataproc_serverless_says_what_only_a_batch_shows(environment: Environment) -> None:
    with fake_dataproc() as fake:
        assert looked(environment, DataprocServerlessWorld(fake))["batches"][0] == "skipped"


def test_a_cluster_is_asked_for_a_pod_that_it_does_not_make(environment: Environment) -> None:
    with fake_pods() as fake:
        assert looked(environment, KubernetesWorld(fake))["driver's pod"][0] == "good"
        fake.troubles["POST"] = ["denied"]
        assert looked(environment, KubernetesWorld(fake))["driver's pod"][0] == "bad"
        assert fake.created == []


def test_jobs_of_this_machine_need_no_platform(environment: Environment) -> None:
    assert found(environment, engine="duckdb").state == "skipped"
