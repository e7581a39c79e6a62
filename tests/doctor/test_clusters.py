"""What a cluster says of itself, over its API's wire."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from kubernetes import client

from pressrun.config.environment import Cluster, Deploy, Environment, Kubernetes
from pressrun.doctor import Found, clusters, examine
from pressrun.rollout import records
from pressrun.rollout.kubernetes import alive
from pressrun.rollout.kubernetes.cluster import ClusterApi, Unreachable
from tests.doctor.answering import answering

NAMESPACED = "/namespaces/news"


def kinds(group: str, name: str, plural: str) -> dict[str, Any]:
    resource = {"name": plural, "kind": name, "namespaced": True, "verbs": ["get"], "singularName": name.lower()}
    return {"kind": "APIResourceList", "groupVersion": group, "resources": [resource]}


class Site:
    """A cluster that is well, until a test says otherwise."""

    def __init__(self) -> None:
        self.denied: set[str] = set()
        self.renewed = datetime.now(UTC).isoformat().replace("+00:00", "Z")
        self.quotas: list[Any] = []

    @property
    def answers(self) -> dict[str, Any]:
        groups = ("pressrun.dev/v1", "gateway.networking.k8s.io/v1", "coordination.k8s.io/v1")
        listed = [{"name": g.split("/")[0], "versions": [{"groupVersion": g, "version": g.split("/")[1]}],
                   "preferredVersion": {"groupVersion": g, "version": g.split("/")[1]}} for g in groups]  # fmt: skip
        return {
            "/version": {"major": "1", "minor": "34+", "gitVersion": "v1.34.1", **dict.fromkeys(
                ("gitCommit", "gitTreeState", "buildDate", "goVersion", "compiler", "platform"), "")},
            "/api": {"versions": ["v1"]},
            "/apis": {"kind": "APIGroupList", "groups": listed},
            "/api/v1": kinds("v1", "ResourceQuota", "resourcequotas"),
            "/apis/pressrun.dev/v1": kinds("pressrun.dev/v1", "Rollout", "rollouts"),
            "/apis/gateway.networking.k8s.io/v1": kinds("gateway.networking.k8s.io/v1", "HTTPRoute", "httproutes"),
            "/apis/coordination.k8s.io/v1": kinds("coordination.k8s.io/v1", "Lease", "leases"),
            f"/api/v1{NAMESPACED}/resourcequotas": {
                "kind": "ResourceQuotaList", "apiVersion": "v1", "items": self.quotas},
            f"/apis/coordination.k8s.io/v1{NAMESPACED}/leases/pressrun-controller": {
                "kind": "Lease", "apiVersion": "coordination.k8s.io/v1", "metadata": {"name": "pressrun-controller"},
                "spec": {"renewTime": self.renewed}},
            "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews": self.review,
        }  # fmt: skip

    def review(self, asked: dict[str, Any]) -> dict[str, Any]:
        wanted = asked["spec"]["resourceAttributes"]
        allowed = f"{wanted['verb']} {wanted['resource']}" not in self.denied
        return {**asked, "status": {"allowed": allowed}}


@pytest.fixture
def site() -> Site:
    return Site()


@pytest.fixture
def place(environment: Environment) -> Environment:
    deploy = Deploy(server_image="s", fetch_image="f", tracking_uri="http://mlflow", replicas=2)
    there = Kubernetes(clusters=[Cluster(name="north", namespace="news")], deploy=deploy, controller_image="c")
    return environment.model_copy(update={"kubernetes": there})


@pytest.fixture
def look(site: Site, place: Environment, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    def found() -> dict[str, Found]:
        with answering(site.answers) as url:
            configuration = client.Configuration()
            configuration.host, configuration.retries = url, False
            api = ClusterApi(client.ApiClient(configuration), "news")
            for module in (records, alive):
                monkeypatch.setattr(module, "api_of", lambda cluster: api)
            return {one.what: one for one in examine(place, [], only=["kubernetes"])}

    return found


def test_a_cluster_that_is_well_has_nothing_in_the_way(look: Any) -> None:
    found = look()
    assert {one.state for one in found.values()} == {"good"}, found
    assert found.keys() == {"north", *(f"north: {w}" for w in ("Rollout", "HTTPRoute", "rights", "controller", "room"))}


def test_rights_that_the_account_lacks_are_named_one_by_one(look: Any, site: Site) -> None:
    site.denied = {"update rollouts", "get leases"}
    rights = look()["north: rights"]
    assert rights.state == "bad"
    assert "update rollouts, get leases" in rights.words
    assert "pressrun-submitter" in rights.remedy


@pytest.mark.parametrize(
    ("hard", "used", "state"),
    [
        ({"pods": "10"}, {"pods": "9"}, "bad"),
        ({"requests.cpu": "2"}, {"requests.cpu": "1600m"}, "bad"),
        ({"limits.memory": "4Gi"}, {"limits.memory": "1Gi"}, "good"),
        ({"services": "1"}, {"services": "1"}, "good"),
    ],
)
def test_a_quota_must_leave_room_for_a_second_set_of_pods(
    hard: dict[str, str], used: dict[str, str], state: str, look: Any, site: Site
) -> None:
    site.quotas = [{"metadata": {"name": "q"}, "status": {"hard": hard, "used": used}}]
    found = look()
    assert found["north: room"].state == state, found


def test_a_controller_that_was_not_heard_of_for_long_is_bad(look: Any, site: Site) -> None:
    site.renewed = "2026-01-01T00:00:00.000000Z"
    assert look()["north: controller"].state == "bad"


def test_a_cluster_that_is_away_is_one_finding_with_its_connection(
    place: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(cluster: Cluster) -> ClusterApi:
        raise Unreachable("the cluster's API does not answer: MaxRetryError")

    monkeypatch.setattr("pressrun.rollout.records.api_of", away)
    (found,) = clusters.look(place, [])
    assert (found.state, "kubernetes_default" in found.remedy) == ("bad", True)
