"""The environment's platform, with clients of whoever runs: a terminal's default chain here, Airflow's in operators."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from pressrun.compute.platform import ComputePlatform, ConfigurationFailed
from pressrun.compute.uploads import local_jobs
from pressrun.config.environment import Environment
from pressrun.config.spark import (
    DataprocCluster,
    DataprocServerless,
    EmrOnEks,
    EmrServerless,
    Kubernetes,
    Local,
)
from pressrun.config.stages import Pods


class Clients(Protocol):
    """Signed-in clients of the vendors, by what the platform's section says."""

    def emr_serverless(self, place: EmrServerless) -> Any: ...

    def service_quotas(self, place: EmrServerless) -> Any: ...

    def emr_containers(self, place: EmrOnEks) -> Any: ...

    def eks(self, names: frozenset[str]) -> Any: ...

    def dataproc_batches(self, place: DataprocServerless) -> Any: ...

    def dataproc_jobs(self, place: DataprocCluster) -> Any: ...

    def dataproc_clusters(self, place: DataprocCluster) -> Any: ...

    def compute_regions(self, place: DataprocServerless | DataprocCluster) -> Any: ...

    def compute_projects(self, place: DataprocServerless | DataprocCluster) -> Any: ...

    def kubernetes(self, place: Kubernetes | Pods) -> Any: ...


class DefaultClients:
    """Those of a terminal: AWS's and Google's default credentials, a kubeconfig."""

    def emr_serverless(self, place: EmrServerless) -> Any:
        return _boto("emr-serverless", place.region)

    def service_quotas(self, place: EmrServerless) -> Any:
        return _boto("service-quotas", place.region)

    def emr_containers(self, place: EmrOnEks) -> Any:
        return _boto("emr-containers", place.region)

    def eks(self, names: frozenset[str]) -> Any:
        return kubeconfig_client(names)

    def dataproc_batches(self, place: DataprocServerless) -> Any:
        from google.cloud.dataproc_v1 import BatchControllerClient

        return BatchControllerClient(**_google(place))

    def dataproc_jobs(self, place: DataprocCluster) -> Any:
        from google.cloud.dataproc_v1 import JobControllerClient

        return JobControllerClient(**_google(place))

    def dataproc_clusters(self, place: DataprocCluster) -> Any:
        from google.cloud.dataproc_v1 import ClusterControllerClient

        return ClusterControllerClient(**_google(place))

    def compute_regions(self, place: DataprocServerless | DataprocCluster) -> Any:
        from google.cloud.compute_v1 import RegionsClient

        return RegionsClient(credentials=_credentials(place))

    def compute_projects(self, place: DataprocServerless | DataprocCluster) -> Any:
        from google.cloud.compute_v1 import ProjectsClient

        return ProjectsClient(credentials=_credentials(place))

    def kubernetes(self, place: Kubernetes | Pods) -> Any:
        from kubernetes import config

        file = str(place.kubeconfig) if place.kubeconfig else None
        return config.new_client_from_config(config_file=file, context=place.context)


def kubeconfig_client(names: frozenset[str]) -> Any:
    """Of the cluster that the kubeconfig here has by one of these names; None where there is none."""
    from kubernetes import config

    try:
        contexts, _ = config.list_kube_config_contexts()
    except config.ConfigException:
        return None
    context = next((one["name"] for one in contexts if one["context"]["cluster"] in names), None)
    return config.new_client_from_config(context=context) if context else None


def open_platform(environment: Environment, clients: Clients | None = None, *, stage: str = "") -> ComputePlatform:
    """What runs the environment's Spark jobs, or the pods of a `stage` that has an image.

    Raises ConfigurationFailed when its extra is not installed, and when nobody can sign in.
    """
    if environment.stages.of(stage).in_pod:
        with _signing_in("pods", environment.pods):
            return _stage_pods(environment, stage, clients or DefaultClients())
    place = environment.spark.platform
    try:
        with _signing_in("spark.platform", place):
            return _OPENED[place.kind](environment, place, clients or DefaultClients())
    except ImportError as error:
        extra = "aws" if place.kind.startswith("emr") else "gcp"
        reason = f"spark.platform is {place.kind}, and {error.name} is not installed"
        raise ConfigurationFailed(reason, hint=f"pip install 'pressrun[{extra}]'") from error


@contextmanager
def _signing_in(section: str, place: Any) -> Iterator[None]:
    """Translates what the vendors' clients raise when they are made: by its module; not all are installed."""
    try:
        yield
    except Exception as error:
        vendor = type(error).__module__.partition(".")[0]
        if vendor not in _SIGN_IN:
            raise
        file = f" by {place.kubeconfig}" if getattr(place, "kubeconfig", None) else ""
        reason = f"{section} is {getattr(place, 'kind', 'in Kubernetes')}, and nobody can sign in there{file}: {error}"
        raise ConfigurationFailed(reason, hint=_SIGN_IN[vendor].format(section=section)) from error


_SIGN_IN = {
    "botocore": "Set AWS_PROFILE to one that ~/.aws/config has, or leave it out where a role of the machine signs in",
    "google": (
        "gcloud auth application-default login, or set GOOGLE_APPLICATION_CREDENTIALS; on Google's machines a service "
        "account signs in by itself"
    ),
    "kubernetes": (
        "Set {section}.kubeconfig and {section}.context of the environment's file, or KUBECONFIG, to a file and a "
        "context that are there"
    ),
}


def _local(environment: Environment, place: Local, clients: Clients) -> ComputePlatform:
    from pressrun.compute.local import LocalPlatform

    return LocalPlatform(local_jobs(environment))


def _emr_serverless(environment: Environment, place: EmrServerless, clients: Clients) -> ComputePlatform:
    from pressrun.compute.emr_serverless import EmrServerlessPlatform

    return EmrServerlessPlatform(place, clients.emr_serverless(place), quotas=lambda: clients.service_quotas(place))


def _emr_on_eks(environment: Environment, place: EmrOnEks, clients: Clients) -> ComputePlatform:
    from pressrun.compute.emr_on_eks import EmrOnEksPlatform

    return EmrOnEksPlatform(place, clients.emr_containers(place), eks=lambda names: clients.eks(names))


def _dataproc_serverless(environment: Environment, place: DataprocServerless, clients: Clients) -> ComputePlatform:
    from pressrun.compute.dataproc_serverless import DataprocServerlessPlatform

    return DataprocServerlessPlatform(
        place,
        clients.dataproc_batches(place),
        regions=lambda: clients.compute_regions(place),
        projects=lambda: clients.compute_projects(place),
    )


def _dataproc_cluster(environment: Environment, place: DataprocCluster, clients: Clients) -> ComputePlatform:
    from pressrun.compute.dataproc_cluster import DataprocClusterPlatform

    return DataprocClusterPlatform(
        place,
        clients.dataproc_jobs(place),
        clusters=lambda: clients.dataproc_clusters(place),
        regions=lambda: clients.compute_regions(place),
        projects=lambda: clients.compute_projects(place),
    )


def _kubernetes(environment: Environment, place: Kubernetes, clients: Clients) -> ComputePlatform:
    from pressrun.compute.kubernetes import KubernetesPlatform

    return KubernetesPlatform(place, clients.kubernetes(place))


def _stage_pods(environment: Environment, stage: str, clients: Clients) -> ComputePlatform:
    from pressrun.compute.stage_pods import StagePods

    assert environment.pods is not None
    return StagePods(environment.pods, clients.kubernetes(environment.pods), stage=stage)


_OPENED: dict[str, Callable[..., ComputePlatform]] = {
    "local": _local,
    "emr_serverless": _emr_serverless,
    "emr_on_eks": _emr_on_eks,
    "dataproc_serverless": _dataproc_serverless,
    "dataproc_cluster": _dataproc_cluster,
    "kubernetes": _kubernetes,
}


def _boto(service: str, region: str) -> Any:
    import boto3
    from botocore.config import Config

    retries = {"mode": "standard", "max_attempts": 4}
    return boto3.session.Session().client(service, region_name=region, config=Config(retries=retries))


def _google(place: DataprocServerless | DataprocCluster) -> dict[str, Any]:
    endpoint = f"{place.region}-dataproc.googleapis.com:443"
    return {"credentials": _credentials(place), "client_options": {"api_endpoint": endpoint}}


def _credentials(place: DataprocServerless | DataprocCluster) -> Any:
    from google.auth import default, impersonated_credentials

    scopes = ["https://www.googleapis.com/auth/cloud-platform"]
    credentials, _ = default(scopes=scopes)
    if place.impersonation_chain:
        *delegates, target = place.impersonation_chain
        credentials = impersonated_credentials.Credentials(  # type: ignore[no-untyped-call]
            source_credentials=credentials, target_principal=target, delegates=delegates, target_scopes=scopes
        )
    return credentials
