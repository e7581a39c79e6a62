"""What quotas leave for a job, before the first one is asked for. Each is only read, by a right of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from pressrun.compute import aws, google
from pressrun.compute.driver_pod import OVERHEAD, mebibytes
from pressrun.compute.outlook import Outlook, absent, unseen
from pressrun.compute.platform import ComputeError
from pressrun.config.spark import DataprocCluster, DataprocServerless, EmrOnEks, EmrServerless, SparkResources

EMR_SERVERLESS, VCPUS = "emr-serverless", "L-D05C8A75"
"""Max concurrent vCPUs per account: https://docs.aws.amazon.com/emr/latest/EMR-Serverless-UserGuide/endpoints-quotas.html"""
# Of a batch where nothing else is set: https://cloud.google.com/dataproc-serverless/docs/concepts/properties
_DISK_GB_A_CORE = 100
_OF_ALL_CPUS = ("n1", "e2", "f1", "g1", "custom")
_CONSOLE = "https://console.cloud.google.com/iam-admin/quotas?project={project}"
_KINDS = {"pods": "pods", "cpu": "cpu", "memory": "memory", "requests.cpu": "cpu", "requests.memory": "memory",
          "limits.cpu": "cpu", "limits.memory": "memory", "count/pods": "pods"}  # fmt: skip
_SECONDS = 10


def cores(asked: SparkResources, executors: int | None = None) -> int:
    """Those of a driver with all executors, or with that many."""
    return asked.driver_cores + (asked.executors if executors is None else executors) * asked.executor_cores


def of_account(client: Any, place: EmrServerless) -> Iterator[Outlook]:
    """Of EMR Serverless: the vCPUs that all jobs of the account may have at once. `client`: boto3's of service-quotas.

    How many are in use is CloudWatch's to tell, and changes with every job.
    """
    try:
        most = _most_vcpus(client)
    except ComputeError as error:
        yield unseen("quota", error)
        return
    words = (
        f"a job asks for {cores(place.resources)} vCPU, all jobs of the account in {place.region} may have {most:.0f}"
    )
    page = f"https://{place.region}.console.aws.amazon.com/servicequotas/home/services/{EMR_SERVERLESS}/quotas/{VCPUS}"
    remedy = f"ask for more at {page} (or servicequotas:RequestServiceQuotaIncrease), or lower spark.platform.resources"
    yield _told("quota", words, remedy, never=most < cores(place.resources, 1), short=most < cores(place.resources))


def _most_vcpus(client: Any) -> float:
    """The account's own number, else that of every account: a quota that was never changed has no number of its own."""
    named = {"ServiceCode": EMR_SERVERLESS, "QuotaCode": VCPUS}
    with aws.asking("servicequotas:GetServiceQuota"):
        try:
            return float(client.get_service_quota(**named)["Quota"]["Value"])
        except client.exceptions.NoSuchResourceException:
            pass
    with aws.asking("servicequotas:GetAWSDefaultServiceQuota"):
        return float(client.get_aws_default_service_quota(**named)["Quota"]["Value"])


def of_batches(regions: Any, projects: Any, place: DataprocServerless) -> Iterator[Outlook]:
    """Of Dataproc Serverless, whose batches take Compute Engine's quotas, by https://cloud.google.com/dataproc-serverless/quotas.

    A batch that asks for more than is left fails at once.
    """
    needed = cores(place.resources)
    yield from _of_region(regions, place, {"CPUS": needed, "DISKS_TOTAL_GB": needed * _DISK_GB_A_CORE})
    yield from _of_project(projects, place, {"CPUS_ALL_REGIONS": needed})


def of_cluster(
    regions: Callable[[], Any], projects: Callable[[], Any], told: Any, place: DataprocCluster
) -> Iterator[Outlook]:
    """Of a Dataproc cluster, as GetCluster tells it: only one that scales itself takes more than it has already."""
    if not told.config.autoscaling_config.policy_uri:
        words = "the cluster does not scale itself: a job has its machines, and takes nothing of the region's quotas"
        yield Outlook(what="quota", words=words, state="skipped")
        return
    needed = cores(place.resources)
    metric = _metric(told.config.worker_config.machine_type_uri)
    for one in (
        *_of_region(regions(), place, {metric: needed}),
        *_of_project(projects(), place, {"CPUS_ALL_REGIONS": needed}),
    ):
        # The machines that are there already may do.
        yield replace(one, state="doubt") if one.state == "bad" and one.what.startswith("quota") else one


def _metric(machine_type: str) -> str:
    family = machine_type.rpartition("/")[2].partition("-")[0]
    return "CPUS" if family in _OF_ALL_CPUS else f"{family.upper()}_CPUS"


def _of_region(
    client: Any, place: DataprocServerless | DataprocCluster, needed: Mapping[str, int]
) -> Iterator[Outlook]:
    """`client`: google-cloud-compute's RegionsClient."""
    named = {"project": place.project, "region": place.region}
    try:
        with google.asking("compute.regions.get", job=True):
            told = client.get(**named, timeout=google.TIMEOUT, retry=None)
    except google.NotThere as gone:
        yield absent("region", gone)
    except ComputeError as error:
        yield unseen("quota", error)
    else:
        # Google leaves the quotas out, with a warning, when it cannot tell them in time.
        yield from _left_of(told.quotas, needed, f"the region {place.region}", told.quota_status_warning.message, place)


def _of_project(
    client: Any, place: DataprocServerless | DataprocCluster, needed: Mapping[str, int]
) -> Iterator[Outlook]:
    """`client`: google-cloud-compute's ProjectsClient."""
    try:
        with google.asking("compute.projects.get"):
            told = client.get(project=place.project, timeout=google.TIMEOUT, retry=None)
    except ComputeError as error:
        yield unseen("quota of all regions", error)
    else:
        yield from _left_of(told.quotas, needed, f"the project {place.project}", "", place)


def _left_of(
    quotas: Any, needed: Mapping[str, int], whose: str, warning: str, place: DataprocServerless | DataprocCluster
) -> Iterator[Outlook]:
    found, page = {one.metric: one for one in quotas}, _CONSOLE.format(project=place.project)
    for metric, number in needed.items():
        what, quota = f"quota {metric}", found.get(metric)
        if quota is None:
            words = f"not looked at: {whose} tells none{': ' if warning else ''}{warning}"
            yield Outlook(what=what, words=words, state="doubt", remedy=f"look at {page}")
            continue
        words = f"a job asks for {number}, {whose} has {quota.limit:.0f}, of which {quota.usage:.0f} are in use"
        remedy = f"ask for more at {page} (or the Cloud Quotas API), or lower spark.platform.resources"
        yield _told(what, words, remedy, never=quota.limit < number, short=quota.limit - quota.usage < number)


def of_namespace(
    clients: Callable[[frozenset[str]], Any], told: Mapping[str, Any], place: EmrOnEks
) -> Iterator[Outlook]:
    """Of EMR on EKS, as DescribeVirtualCluster tells it: its namespace's ResourceQuotas, where a kubeconfig is here.

    `clients` finds the Kubernetes client of a cluster by the names that a kubeconfig may have for it.
    """
    cluster, namespace = told["containerProvider"]["id"], told["containerProvider"]["info"]["eksInfo"]["namespace"]
    _, partition, _, region, account, *_ = told["arn"].split(":")
    client = clients(
        frozenset({f"arn:{partition}:eks:{region}:{account}:cluster/{cluster}", f"{cluster}.{region}.eksctl.io"})
    )
    if client is None:
        words = f"not looked at: no kubeconfig here has the EKS cluster {cluster}, whose namespace is {namespace}"
        remedy = f"aws eks update-kubeconfig --name {cluster} --region {region}, and look again"
        yield Outlook(what="quota", words=words, state="skipped", remedy=remedy)
        return
    yield from _of_namespace(client, namespace, place.resources)


def _of_namespace(client: Any, namespace: str, asked: SparkResources) -> Iterator[Outlook]:
    from kubernetes.client import CoreV1Api
    from kubernetes.client.rest import ApiException
    from urllib3.exceptions import HTTPError

    try:
        found = CoreV1Api(client).list_namespaced_resource_quota(namespace, _request_timeout=_SECONDS).items
    except (ApiException, HTTPError, OSError) as error:
        said = f"{error.status} {error.reason}" if isinstance(error, ApiException) else type(error).__name__
        remedy = f"allow this account to list resourcequotas in the namespace {namespace}"
        yield Outlook(
            what="quota", words=f"not looked at: the cluster's API answered {said}", state="doubt", remedy=remedy
        )
        return
    short = [
        (
            f"{quota.metadata.name} leaves {left} of {name}, a job asks for {_pods(asked)[kind]}",
            left < _pods(asked, 1)[kind],
        )
        for quota in found
        for name, kind, left in left_of_namespace(client.sanitize_for_serialization(quota.status) or {})
        if left < _pods(asked)[kind]
    ]
    words = "; ".join(one for one, _ in short) or f"no quota of the namespace {namespace} stands against a job"
    remedy = "raise the quota, or lower spark.platform.resources"
    yield _told("quota", words, remedy, never=any(never for _, never in short), short=bool(short))


def _pods(asked: SparkResources, executors: int | None = None) -> dict[str, int]:
    """What the pods of a job ask a namespace for: the service's own, which submits it, driver and executors."""
    number = asked.executors if executors is None else executors
    memory = mebibytes(asked.driver_memory) + number * mebibytes(asked.executor_memory)
    return {"pods": 2 + number, "cpu": cores(asked, number), "memory": int(memory * OVERHEAD) * 2**20}


def left_of_namespace(status: Mapping[str, Any]) -> Iterator[tuple[str, str, Any]]:
    """By a ResourceQuota's status: its name for something, what that is (pods, cpu or memory), what is left of it."""
    from kubernetes.utils.quantity import parse_quantity

    hard, used = status.get("hard") or {}, status.get("used") or {}
    for name in hard.keys() & _KINDS.keys():
        yield name, _KINDS[name], parse_quantity(hard[name]) - parse_quantity(used.get(name, "0"))


def _told(what: str, words: str, remedy: str, *, never: bool, short: bool) -> Outlook:
    """`never`: no job can run with that; `short`: one may have to wait, or to do with less."""
    if never:
        return Outlook(what=what, words=words, state="bad", remedy=remedy)
    if short:
        return Outlook(what=what, words=words, state="doubt", remedy=remedy)
    return Outlook(what=what, words=words)
