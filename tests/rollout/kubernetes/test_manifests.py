"""What is written to a cluster: names that fit, and doors that are as narrow as can be."""

from __future__ import annotations

from typing import Any

import pytest

from pressrun.config.environment import Cluster, Gateway, Kubernetes
from pressrun.rollout.kubernetes.cluster import Object
from pressrun.rollout.kubernetes.install import controller_objects
from pressrun.rollout.kubernetes.manifests import arm_objects, network_policy
from pressrun.rollout.kubernetes.route import traffic_object
from pressrun.rollout.types import BASELINE
from tests.rollout.kubernetes.plans import DEPLOY, ref

KUBERNETES = Kubernetes(clusters=[Cluster(name="main")], deploy=DEPLOY, controller_image="controller:1")


def installed(kind: str, name: str, kubernetes: Kubernetes = KUBERNETES) -> Object:
    (found,) = [o for o in controller_objects("news", kubernetes) if (o["kind"], o["metadata"]["name"]) == (kind, name)]
    return found


def ports(rules: list[Any]) -> set[int]:
    return {port["port"] for rule in rules for port in rule["ports"]}


def test_the_longest_names_fit() -> None:
    objects = arm_objects("m" * 40, BASELINE, ref("1"), DEPLOY, generation=99999, replicas=1, namespace="news")
    for found in (*objects, network_policy("m" * 40, "news", DEPLOY)):
        metadata = found["metadata"]
        assert len(metadata["name"]) <= 63
        assert all(len(value) <= 63 for value in metadata["labels"].values())


def test_everything_of_a_model_says_whose_it_is_and_is_selected_by_none_of_that() -> None:
    deploy = DEPLOY.model_copy(
        update={"labels": {"pressrun.dev/team": "News & ML", "cost-center": "42"}, "max_replicas": 4}
    )
    arm = arm_objects("topics", "candidate", ref("1"), deploy, generation=2, replicas=1, namespace="news")
    route = traffic_object("topics", {"candidate": 100}, {"candidate": 2}, deploy, "news")
    deployment = arm[0]
    template = deployment["spec"]["template"]
    for found in (*arm, network_policy("topics", "news", deploy), route, template):
        labels = found["metadata"]["labels"]
        assert labels["pressrun.dev/team"] == "News---ML"
        assert labels["cost-center"] == "42"
        assert labels["app.kubernetes.io/part-of"] == "topics"
        assert labels["app.kubernetes.io/managed-by"] == "pressrun"
    assert set(deployment["spec"]["selector"]["matchLabels"]) == {
        "pressrun.dev/model", "pressrun.dev/generation", "pressrun.dev/role"
    }  # fmt: skip


@pytest.mark.parametrize(
    ("address", "opened"),
    [
        ("http://mlflow:5000", {80, 443, 5000}),
        ("https://mlflow.example", {80, 443}),
        ("http://mlflow", {80, 443}),
        ("https://mlflow:8443/api", {80, 443, 8443}),
    ],
)
def test_pods_reach_mlflow_at_the_port_that_it_has(address: str, opened: set[int]) -> None:
    policy = network_policy("topics", "news", DEPLOY.model_copy(update={"tracking_uri": address}))
    assert ports(policy["spec"]["egress"]) == {53, 8080, 8090, *opened}


@pytest.mark.parametrize(
    ("gateway", "namespace"),
    [
        (Gateway(), "news"),
        (Gateway(namespace="gateway"), "gateway"),
        (Gateway(namespace="gateway", pods_namespace="envoy-system"), "envoy-system"),
    ],
)
def test_requests_come_in_from_where_the_gateways_pods_are(gateway: Gateway, namespace: str) -> None:
    policy = network_policy("topics", "news", DEPLOY.model_copy(update={"gateway": gateway}))
    named = [one["namespaceSelector"]["matchLabels"] for one in policy["spec"]["ingress"][0]["from"][:1]]
    assert named == [{"kubernetes.io/metadata.name": namespace}]


def test_what_has_no_policy_of_its_own_reaches_nothing() -> None:
    spec = installed("NetworkPolicy", "pressrun-default-deny")["spec"]
    assert spec["podSelector"] == {"matchLabels": {"app.kubernetes.io/managed-by": "pressrun"}}
    assert spec["policyTypes"] == ["Ingress", "Egress"]
    assert not {"ingress", "egress"} & set(spec)


def test_the_controller_reaches_what_it_asks_and_no_more() -> None:
    spec = installed("NetworkPolicy", "pressrun-controller")["spec"]
    assert ports(spec["egress"]) == {53, 80, 443, 6443, 8080}
    assert ports(spec["ingress"]) == {8090}
    blind = DEPLOY.model_copy(update={"gateway": Gateway()})
    unmeasured = KUBERNETES.model_copy(update={"deploy": blind})
    assert ports(installed("NetworkPolicy", "pressrun-controller", unmeasured)["spec"]["egress"]) == {
        53,
        443,
        6443,
        8080,
    }


@pytest.mark.parametrize(
    ("role", "verbs"), [("pressrun-controller", {"get", "update"}), ("pressrun-submitter", {"get"})]
)
def test_one_lease_alone_may_be_read_and_written(role: str, verbs: set[str]) -> None:
    rules = [rule for rule in installed("Role", role)["rules"] if rule["resources"] == ["leases"]]
    named = [rule for rule in rules if rule.get("resourceNames") == ["pressrun-controller"]]
    assert {verb for rule in named for verb in rule["verbs"]} == verbs
    assert all(rule["verbs"] == ["create"] for rule in rules if rule not in named)


def test_the_controller_holds_no_right_that_nothing_uses() -> None:
    rules = installed("Role", "pressrun-controller")["rules"]
    rights = {(resource, verb) for rule in rules for resource in rule["resources"] for verb in rule["verbs"]}
    assert not {resource for resource, _ in rights} & {"deployments/scale", "secrets", "pods/exec"}
    assert {verb for resource, verb in rights if resource == "pods"} == {"list"}
    assert {verb for resource, verb in rights if resource == "networkpolicies"} == {"create", "patch"}
