"""Kubernetes clusters by Airflow's connections: EKS, GKE and a laptop's differ by `kubernetes_conn_id` alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pressrun.config.environment import Cluster, Environment
    from pressrun.rollout.kubernetes.cluster import ClusterApi


def connect_clusters(environment: Environment) -> None:
    """From now on this process reaches the environment's clusters by their connections."""
    if environment.kubernetes is None:
        return
    from pressrun.rollout.records import connect_by

    connect_by(_by_connection)


def _by_connection(place: Cluster) -> ClusterApi:
    from airflow.providers.cncf.kubernetes.hooks.kubernetes import KubernetesHook

    from pressrun.rollout.kubernetes.cluster import ClusterApi

    file = str(place.kubeconfig) if place.kubeconfig else None
    hook = KubernetesHook(conn_id=place.kubernetes_conn_id, cluster_context=place.context, config_file=file)
    return ClusterApi(hook.get_conn(), place.namespace)
