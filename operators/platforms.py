"""Platforms by Airflow's connections: the providers' hooks sign in, `pressrun.compute` speaks to the service."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pressrun.compute import ComputePlatform
    from pressrun.config.environment import Environment
    from pressrun.config.spark import DataprocCluster, DataprocServerless, EmrOnEks, EmrServerless, Kubernetes
    from pressrun.config.stages import Pods


@dataclass(frozen=True, kw_only=True)
class HookClients:
    """Clients of the providers' hooks. A connection id that is None is the one in the environment's file."""

    aws_conn_id: str | None = None
    gcp_conn_id: str | None = None
    kubernetes_conn_id: str | None = None

    def emr_serverless(self, place: EmrServerless) -> Any:
        from airflow.providers.amazon.aws.hooks.emr import EmrServerlessHook

        return EmrServerlessHook(aws_conn_id=self.aws_conn_id or place.aws_conn_id, region_name=place.region).conn

    def service_quotas(self, place: EmrServerless) -> Any:
        from airflow.providers.amazon.aws.hooks.base_aws import AwsBaseHook

        conn_id = self.aws_conn_id or place.aws_conn_id
        return AwsBaseHook(aws_conn_id=conn_id, region_name=place.region, client_type="service-quotas").conn

    def emr_containers(self, place: EmrOnEks) -> Any:
        from airflow.providers.amazon.aws.hooks.emr import EmrContainerHook

        return EmrContainerHook(aws_conn_id=self.aws_conn_id or place.aws_conn_id, region_name=place.region).conn

    def eks(self, names: frozenset[str]) -> Any:
        from pressrun.compute.connect import kubeconfig_client

        return kubeconfig_client(names)

    def dataproc_batches(self, place: DataprocServerless) -> Any:
        return self._dataproc(place).get_batch_client(region=place.region)

    def dataproc_jobs(self, place: DataprocCluster) -> Any:
        return self._dataproc(place).get_job_client(region=place.region)

    def dataproc_clusters(self, place: DataprocCluster) -> Any:
        return self._dataproc(place).get_cluster_client(region=place.region)

    def compute_regions(self, place: DataprocServerless | DataprocCluster) -> Any:
        from google.cloud.compute_v1 import RegionsClient

        return RegionsClient(credentials=self._dataproc(place).get_credentials())

    def compute_projects(self, place: DataprocServerless | DataprocCluster) -> Any:
        from google.cloud.compute_v1 import ProjectsClient

        return ProjectsClient(credentials=self._dataproc(place).get_credentials())

    def kubernetes(self, place: Kubernetes | Pods) -> Any:
        from airflow.providers.cncf.kubernetes.hooks.kubernetes import KubernetesHook

        file = str(place.kubeconfig) if place.kubeconfig else None
        conn_id = self.kubernetes_conn_id or place.kubernetes_conn_id
        return KubernetesHook(conn_id=conn_id, cluster_context=place.context, config_file=file).get_conn()

    def _dataproc(self, place: DataprocServerless | DataprocCluster) -> Any:
        from airflow.providers.google.cloud.hooks.dataproc import DataprocHook

        chain = list(place.impersonation_chain) or None
        return DataprocHook(gcp_conn_id=self.gcp_conn_id or place.gcp_conn_id, impersonation_chain=chain)


def connected_platform(environment: Environment, clients: HookClients, *, stage: str = "") -> ComputePlatform:
    """The environment's platform for the stage, signed in by Airflow's connections. Raises ConfigurationFailed."""
    from pressrun.compute.connect import open_platform

    return open_platform(environment, clients, stage=stage)
