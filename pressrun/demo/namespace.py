"""The demo's namespace: the controller, and a volume for predictions that is a folder of this machine."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from pressrun.config.environment import Environment
from pressrun.demo.services import ServiceError
from pressrun.rollout.kubernetes.alive import silence
from pressrun.rollout.kubernetes.cluster import Object
from pressrun.rollout.kubernetes.install import controller_objects
from pressrun.rollout.records import api_of

PATIENCE = 120.0
_MODES = ["ReadWriteMany"]


def make_namespace(environment: Environment, name: str, *, spool: Path) -> None:
    """Makes it anew, and waits until its controller holds the Lease. Raises ServiceError, Unreachable and Refused."""
    kubernetes = environment.kubernetes
    assert kubernetes is not None
    place = kubernetes.clusters[0]
    api = api_of(place)
    remove_namespace(environment, name)
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}})
    for body in _volume(name, spool):
        api.apply(body)
    for body in controller_objects(name, kubernetes):
        api.apply(body)
    _until(lambda: not silence(place), f"the controller in namespace {name} has not begun")


def remove_namespace(environment: Environment, name: str) -> None:
    """Removes it with all that is in it, and its volume."""
    kubernetes = environment.kubernetes
    assert kubernetes is not None
    api = api_of(kubernetes.clusters[0])
    api.delete("Namespace", name)
    _until(lambda: api.get("Namespace", name) is None, f"namespace {name} is still being removed")
    api.delete("PersistentVolume", name)


def _volume(name: str, spool: Path) -> list[Object]:
    """A claim in the namespace, bound to the folder."""
    common = {"storageClassName": "", "accessModes": _MODES}
    bound = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "namespace": name, "name": name}
    volume = {
        **common,
        "capacity": {"storage": "1Gi"},
        "hostPath": {"path": str(spool)},
        "persistentVolumeReclaimPolicy": "Retain",
        "claimRef": bound,
    }
    claim = {**common, "volumeName": name, "resources": {"requests": {"storage": "1Gi"}}}
    return [
        {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": name}, "spec": volume},
        {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": {"name": name, "namespace": name},
            "spec": claim,
        },
    ]


def _until(holds: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not holds():
        if time.monotonic() > deadline:
            raise ServiceError(f"after {PATIENCE:.0f} s {what}; look at it with kubectl")
        time.sleep(0.5)
