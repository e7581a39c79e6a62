"""Where the records of rollouts are: a file below the environment's home, or a custom resource in each cluster."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from pressrun.config.environment import Cluster, Environment
from pressrun.rollout.record import RecordStore
from pressrun.rollout.types import RolloutRecord

if TYPE_CHECKING:
    from pressrun.rollout.kubernetes.cluster import ClusterApi

HERE = "here"
_connected: dict[Cluster, ClusterApi] = {}
_connect: Callable[[Cluster], ClusterApi] | None = None


class Records(Protocol):
    """The records of one place."""

    def models(self) -> list[str]: ...
    def read(self, model: str) -> RolloutRecord | None: ...
    def update(self, model: str, change: Callable[[RolloutRecord], RolloutRecord]) -> RolloutRecord: ...


def places(environment: Environment) -> tuple[str, ...]:
    """The names of the clusters, the first one leading; one place, `here`, without clusters."""
    kubernetes = environment.kubernetes
    return tuple(place.name for place in kubernetes.clusters) if kubernetes else (HERE,)


def records_at(environment: Environment, name: str) -> Records:
    """The records of the place of that name. Only this one is signed in to: another's may be away.

    Raises Refused where the kubeconfig does not lead there.
    """
    if environment.kubernetes is None:
        return RecordStore(environment)
    from pressrun.rollout.kubernetes.records import ClusterRecords

    return ClusterRecords(api_of(next(place for place in environment.kubernetes.clusters if place.name == name)))


def leading(environment: Environment) -> Records:
    """The records of the first place, which sees each candidate first."""
    return records_at(environment, places(environment)[0])


def api_of(place: Cluster) -> ClusterApi:
    """The cluster's API, signed in once a process. Raises Refused where the kubeconfig does not lead there."""
    from pressrun.rollout.kubernetes.cluster import connect

    if place not in _connected:
        _connected[place] = (_connect or connect)(place)
    return _connected[place]


def connect_by(connector: Callable[[Cluster], ClusterApi]) -> None:
    """From now on clusters are reached by this, such as by Airflow's connections, and not by kubeconfig."""
    global _connect
    if connector is not _connect:
        _connected.clear()
        _connect = connector
