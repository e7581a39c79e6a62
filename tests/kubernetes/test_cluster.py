"""The cluster itself does what later tests take for granted: Pod Security, the images, volumes, the gateway."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import numpy as np
import pytest
from kubernetes import client
from kubernetes.client.rest import ApiException
from urllib3.exceptions import MaxRetryError

from pressrun.bundle import Bundle, write_bundle
from pressrun.bundle.models import Linear
from pressrun.bundle.tfidf import Tfidf
from tests.kubernetes.conftest import Components, Images
from tests.kubernetes.load import LoadClient

pytestmark = [pytest.mark.kubernetes, pytest.mark.slow]

_SECURE = {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}
_USER = {"runAsNonRoot": True, "runAsUser": 10001, "fsGroup": 10001, "seccompProfile": {"type": "RuntimeDefault"}}
_ROUTES = ("gateway.networking.k8s.io", "v1")


def small_bundle(folder: Path) -> Bundle:
    tfidf = Tfidf(vocabulary={"goal": 0, "shares": 1}, idf=np.array([1.0, 1.5]))
    weights = np.array([[2.0, -2.0], [-2.0, 2.0]], dtype=np.float32)
    model = Linear(coefficients=weights, intercept=np.zeros(2, dtype=np.float32))
    return write_bundle(folder, name="topics", labels=["Sports", "Business"], steps=[tfidf], model=model, slope=2.0)


def volume(core: client.CoreV1Api, namespace: str, folder: Path) -> None:
    """A claim `shared` in the namespace, bound to the folder: what a spool is on a cluster of one node."""
    common = {"storageClassName": "", "accessModes": ["ReadWriteMany"]}
    claim = {"namespace": namespace, "name": "shared"}
    spec = {**common, "capacity": {"storage": "1Gi"}, "hostPath": {"path": str(folder)}, "claimRef": claim}
    core.create_persistent_volume({"metadata": {"name": namespace}, "spec": spec})
    asked = {**common, "volumeName": namespace, "resources": {"requests": {"storage": "1Gi"}}}
    core.create_namespaced_persistent_volume_claim(namespace, {"metadata": {"name": "shared"}, "spec": asked})


def server(images: Images, digest: str, arm: str) -> dict[str, Any]:
    """A pod that fetches the volume's bundle, serves it, and spools its predictions to the volume."""
    mounts = {"model": "/bundle", "shared": "/shared", "tmp": "/tmp"}
    common = {
        "imagePullPolicy": "IfNotPresent",
        "securityContext": _SECURE,
        "volumeMounts": [{"name": name, "mountPath": path} for name, path in mounts.items()],
    }
    fetch = ["python", "-m", "pressrun.serving.fetch", "/shared/bundle", "--digest", digest, "--to", "/bundle/model"]
    given = {"host": "0.0.0.0", "port": "8080", "model": "topics", "version": "1", "arm": arm, "spool": "/shared/spool"}
    ready = {"httpGet": {"path": "/readyz", "port": 8080}, "periodSeconds": 1}
    return {
        "metadata": {"name": arm, "labels": {"arm": arm}},
        "spec": {
            "automountServiceAccountToken": False,
            "securityContext": _USER,
            "initContainers": [{"name": "fetch", "image": images.controller, "command": fetch, **common}],
            "containers": [
                {
                    "name": "server",
                    "image": images.server,
                    "args": ["/bundle/model", *(f"--{name}={value}" for name, value in given.items())],
                    "readinessProbe": ready,
                    **common,
                }
            ],
            "volumes": [
                {"name": "model", "emptyDir": {}},
                {"name": "tmp", "emptyDir": {}},
                {"name": "shared", "persistentVolumeClaim": {"claimName": "shared"}},
            ],
        },
    }


def route(host: str, weights: dict[str, int]) -> dict[str, Any]:
    backends = [{"name": arm, "port": 8080, "weight": weight} for arm, weight in weights.items()]
    return {
        "apiVersion": "/".join(_ROUTES),
        "kind": "HTTPRoute",
        "metadata": {"name": "topics"},
        "spec": {
            "parentRefs": [{"name": "web", "namespace": "gateway"}],
            "hostnames": [host],
            "rules": [{"backendRefs": backends}],
        },
    }


def until(holds: Callable[[], bool], what: str, seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"{what}: not within {seconds} s"
        time.sleep(0.2)


def is_ready(core: client.CoreV1Api, namespace: str, pod: str) -> bool:
    status = core.read_namespaced_pod(pod, namespace).status
    return any(each.type == "Ready" and each.status == "True" for each in status.conditions or [])


def test_a_root_pod_is_refused_by_restricted_pod_security(kube: client.ApiClient, namespace: str) -> None:
    pod = {"metadata": {"name": "root"}, "spec": {"containers": [{"name": "root", "image": "localhost/pause:1"}]}}
    with pytest.raises(ApiException, match="violates PodSecurity") as refused:
        client.CoreV1Api(kube).create_namespaced_pod(namespace, pod)
    assert refused.value.status == 403


def test_two_arms_on_read_only_roots_share_the_gateways_traffic(
    kube: client.ApiClient, namespace: str, images: Images, gateway_url: str, metrics_url: str, node_folder: Path
) -> None:
    core, host = client.CoreV1Api(kube), f"{namespace}.example"
    digest = small_bundle(node_folder / "bundle").digest
    (node_folder / "spool").mkdir(mode=0o1777)
    (node_folder / "spool").chmod(0o1777)
    volume(core, namespace, node_folder)
    for arm in ("champion", "candidate"):
        core.create_namespaced_pod(namespace, server(images, digest, arm))
        spec = {"selector": {"arm": arm}, "ports": [{"port": 8080}]}
        core.create_namespaced_service(namespace, {"metadata": {"name": arm}, "spec": spec})
    body = route(host, {"champion": 80, "candidate": 20})
    client.CustomObjectsApi(kube).create_namespaced_custom_object(*_ROUTES, namespace, "httproutes", body)
    until(lambda: all(is_ready(core, namespace, arm) for arm in ("champion", "candidate")), "both arms are ready")

    with LoadClient(url=gateway_url, host=host, rate=50) as load:
        # The gateway learns of a ready pod a moment later; 30 requests in a row meet both arms.
        load.wait_for(30)
        until(lambda: not any(request.failed for request in load.requests[-30:]), "the route answers by both arms")
        start = time.time()
        load.wait_for(250)
        time.sleep(0.2)
    counted = load.between(start)
    assert counted.failed == 0, counted
    assert counted.share("candidate") == pytest.approx(0.2, abs=0.03)
    assert counted.by_version.keys() == {"1"}

    until(lambda: any((node_folder / "spool").glob("*.jsonl*")), "predictions are in the spool", seconds=45)
    counts = urlopen(metrics_url, timeout=5).read().decode()
    for arm in ("champion", "candidate"):
        assert f'service="{namespace}-{arm}-' in counts, counts
    core.delete_persistent_volume(namespace)


def test_the_api_server_can_be_away_and_come_back(kube: client.ApiClient, components: Components) -> None:
    core = client.CoreV1Api(kube)
    components.stop("kube-apiserver")
    with pytest.raises(MaxRetryError):
        core.list_namespace(_request_timeout=2)
    components.start("kube-apiserver")
    until(lambda: answers(core), "the API server answers")


def answers(core: client.CoreV1Api) -> bool:
    try:
        return bool(core.list_namespace(_request_timeout=2).items)
    except (MaxRetryError, ApiException):
        return False
