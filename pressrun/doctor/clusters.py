"""Kubernetes clusters: what is installed there, what this account may do, and whether there is room."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from pressrun.compute.quotas import left_of_namespace
from pressrun.config.environment import Cluster, Environment, Kubernetes
from pressrun.config.pipeline import Pipeline
from pressrun.doctor.found import Found, bad, doubt, good, skipped

if TYPE_CHECKING:
    from pressrun.rollout.kubernetes.cluster import ClusterApi

AREA = "kubernetes"
OLDEST = (1, 29)
_INSTALL = "pressrun controller --apply"


def look(environment: Environment, pipelines: Sequence[Pipeline]) -> Iterator[Found]:
    if environment.kubernetes is None:
        yield skipped(AREA, "clusters", f"{environment.name} serves by processes")
        return
    for place in environment.kubernetes.clusters:
        yield from _cluster(environment.kubernetes, place)


def _cluster(kubernetes: Kubernetes, place: Cluster) -> Iterator[Found]:
    from pressrun.rollout.kubernetes.cluster import Refused, Unreachable
    from pressrun.rollout.records import api_of

    try:
        api = api_of(place)
        yield _version(place, api)
    except (Refused, Unreachable) as error:
        remedy = f"set kubeconfig and context of the cluster, in Airflow the connection {place.kubernetes_conn_id}"
        yield bad(AREA, place.name, str(error), remedy=remedy)
        return
    yield from _kinds(place, api)
    yield _rights(place, api)
    yield _controller(place)
    yield _room(kubernetes, place, api)


def _version(place: Cluster, api: ClusterApi) -> Found:
    from kubernetes.client import VersionApi

    from pressrun.rollout.kubernetes.cluster import Unreachable

    try:
        told = VersionApi(api.client).get_code(_request_timeout=10)
    except Exception as error:
        raise Unreachable(f"the cluster's API does not answer: {type(error).__name__}") from error
    number = tuple(int("".join(c for c in part if c.isdigit()) or 0) for part in (told.major, told.minor))
    if number < OLDEST:
        remedy = f"{'.'.join(map(str, OLDEST))} is the oldest that is tested"
        return doubt(AREA, place.name, f"Kubernetes {told.git_version}", remedy=remedy)
    return good(AREA, place.name, f"Kubernetes {told.git_version}, namespace {place.namespace}")


def _kinds(place: Cluster, api: ClusterApi) -> Iterator[Found]:
    """The custom resource, and the Gateway API."""
    from pressrun.rollout.kubernetes.cluster import Refused
    from pressrun.rollout.kubernetes.resource import API_VERSION, KIND
    from pressrun.rollout.kubernetes.route import ROUTE_API

    for kind, version, remedy in (
        (KIND, API_VERSION, _INSTALL),
        ("HTTPRoute", ROUTE_API, "install the Gateway API's CRDs and a gateway, or set deploy.split to replicas"),
    ):
        try:
            api.kinds_of(kind, version)
        except Refused:
            yield bad(AREA, f"{place.name}: {kind}", f"the cluster has no {kind} of {version}", remedy=remedy)
        else:
            yield good(AREA, f"{place.name}: {kind}", f"{version} is there")


def _rights(place: Cluster, api: ClusterApi) -> Found:
    """Asks the cluster itself, right by right, about the account that this process signs in with."""
    from pressrun.rollout.kubernetes.install import SUBMITTER, submitter_rules

    missing = [
        f"{verb} {resource}"
        for rule in submitter_rules()
        for resource in rule["resources"]
        for verb in rule["verbs"]
        if not _may(api, verb, rule["apiGroups"][0], resource, rule.get("resourceNames", [""])[0])
    ]
    what = f"{place.name}: rights"
    if missing:
        remedy = f"bind the Role {SUBMITTER} of namespace {place.namespace} to this account; {_INSTALL} makes it"
        return bad(AREA, what, f"it may not {', '.join(missing)}", remedy=remedy)
    return good(AREA, what, "this account may submit, watch and step in")


def _may(api: ClusterApi, verb: str, group: str, resource: str, name: str) -> bool:
    from kubernetes.client import AuthorizationV1Api, V1ResourceAttributes, V1SelfSubjectAccessReview
    from kubernetes.client import V1SelfSubjectAccessReviewSpec as Spec

    asked = V1ResourceAttributes(namespace=api.namespace, verb=verb, group=group, resource=resource, name=name or None)
    review = V1SelfSubjectAccessReview(spec=Spec(resource_attributes=asked))
    answer = AuthorizationV1Api(api.client).create_self_subject_access_review(review, _request_timeout=10)
    return bool(answer.status.allowed)


def _controller(place: Cluster) -> Found:
    from pressrun.rollout.kubernetes.alive import silence

    if words := silence(place):
        remedy = f"{_INSTALL}, then: kubectl -n {place.namespace} logs deploy/pressrun-controller"
        return bad(AREA, f"{place.name}: controller", words, remedy=remedy)
    return good(AREA, f"{place.name}: controller", "it renews its Lease")


def _room(kubernetes: Kubernetes, place: Cluster, api: ClusterApi) -> Found:
    """A canary needs a second full set of pods beside the champion's: what quotas leave must hold one."""
    from kubernetes.utils.quantity import parse_quantity

    deploy, what = kubernetes.deploy, f"{place.name}: room"
    needed = {"pods": deploy.replicas, "cpu": deploy.replicas * parse_quantity(deploy.cpu),
              "memory": deploy.replicas * parse_quantity(deploy.memory)}  # fmt: skip
    short = [
        f"{quota['metadata']['name']} leaves {left} of {name}, {needed[kind]} are needed"
        for quota in api.find("ResourceQuota", {})
        for name, kind, left in left_of_namespace(quota.get("status") or {})
        if left < needed[kind]
    ]
    if short:
        remedy = "raise the quota, or lower deploy.replicas, deploy.cpu and deploy.memory"
        return bad(AREA, what, "; ".join(short), remedy=remedy)
    return good(AREA, what, f"no quota stands against {deploy.replicas} more pods")
