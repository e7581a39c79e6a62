"""The objects of one arm: plain dictionaries, applied server-side, with nothing in them that somebody else may set.

A Deployment's replicas are not among them: they are only ever raised, by a patch of their own, so that an autoscaler's
or a person's stay.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from pressrun.config.environment import Deploy
from pressrun.registry import ModelRef
from pressrun.rollout.kubernetes.cluster import Object
from pressrun.rollout.kubernetes.names import (
    CONTROLLER,
    CONTROLLER_PORT,
    MANAGED,
    PORT,
    arm_labels,
    arm_name,
    model_name,
)
from pressrun.rollout.labels import object_labels

USER = 10001
DRAIN_SECONDS = 5
DNS: list[Object] = [{"port": 53, "protocol": "UDP"}, {"port": 53, "protocol": "TCP"}]
# A gateway hears of a ready pod a little later: before that it would answer 503 for it.
SETTLE_SECONDS = 3
SECURE = {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
}


def arm_objects(
    model: str, arm: str, ref: ModelRef, deploy: Deploy, *, generation: int, replicas: int, namespace: str
) -> list[Object]:
    """Deployment, Service, PodDisruptionBudget and, where the plan has one, HorizontalPodAutoscaler of an arm."""
    named = _Named(model, arm, generation, namespace, deploy)
    objects = [named.deployment(ref, deploy), named.service(), named.disruption_budget()]
    if deploy.max_replicas and deploy.split == "weights":
        objects.append(
            autoscaler(model, arm, deploy, generation=generation, replicas=replicas, namespace=namespace, shrinks=False)
        )
    return objects


def autoscaler(
    model: str, arm: str, deploy: Deploy, *, generation: int, replicas: int, namespace: str, shrinks: bool
) -> Object:
    """An arm's HorizontalPodAutoscaler from `replicas` up. While a rollout is under way it never shrinks the arm."""
    named = _Named(model, arm, generation, namespace, deploy)
    policy = {} if shrinks else {"behavior": {"scaleDown": {"selectPolicy": "Disabled"}}}
    return named.autoscaler(replicas, max(replicas, deploy.max_replicas or replicas), policy)


def shrinks(found: Object) -> bool:
    """Whether that autoscaler may take replicas away."""
    down = (found["spec"].get("behavior") or {}).get("scaleDown") or {}
    return bool(down.get("selectPolicy") != "Disabled")


class _Named:
    """The objects of one arm share a name and labels."""

    def __init__(self, model: str, arm: str, generation: int, namespace: str, deploy: Deploy) -> None:
        self.model, self.arm, self.generation, self.namespace = model, arm, generation, namespace
        self.name = arm_name(model, generation, arm)
        self.selector = arm_labels(model, generation, arm)
        self.labels = {**object_labels(model, deploy.labels), **MANAGED, **self.selector}

    def _object(self, api_version: str, kind: str, spec: Object) -> Object:
        metadata = {"name": self.name, "namespace": self.namespace, "labels": self.labels}
        return {"apiVersion": api_version, "kind": kind, "metadata": metadata, "spec": spec}

    def deployment(self, ref: ModelRef, deploy: Deploy) -> Object:
        template = {
            "metadata": {"labels": self.labels},
            "spec": {
                "automountServiceAccountToken": False,
                "securityContext": pod_security(),
                "terminationGracePeriodSeconds": 30,
                "topologySpreadConstraints": [self._spread("kubernetes.io/hostname"), self._spread(_ZONE)],
                "initContainers": [self._fetch(ref, deploy)],
                "containers": [self._server(ref, deploy)],
                "volumes": _volumes(deploy),
            },
        }
        rolling = {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}}
        spec = {"selector": {"matchLabels": self.selector}, "strategy": rolling, "template": template}
        times = {"minReadySeconds": SETTLE_SECONDS, "progressDeadlineSeconds": 600}
        return self._object("apps/v1", "Deployment", {**spec, **times})

    def service(self) -> Object:
        port = {"name": "http", "port": PORT, "targetPort": "http", "protocol": "TCP"}
        return self._object("v1", "Service", {"selector": self.selector, "ports": [port]})

    def disruption_budget(self) -> Object:
        spec = {"maxUnavailable": 1, "selector": {"matchLabels": self.selector}}
        return self._object("policy/v1", "PodDisruptionBudget", spec)

    def autoscaler(self, least: int, most: int, policy: Object) -> Object:
        target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": self.name}
        cpu = {"type": "Resource", "resource": {"name": "cpu", "target": _CPU_TARGET}}
        spec = {"scaleTargetRef": target, "minReplicas": least, "maxReplicas": most, "metrics": [cpu], **policy}
        return self._object("autoscaling/v2", "HorizontalPodAutoscaler", spec)

    def _spread(self, key: str) -> Object:
        return {
            "maxSkew": 1,
            "topologyKey": key,
            "whenUnsatisfiable": "ScheduleAnyway",
            "labelSelector": {"matchLabels": self.selector},
        }

    def _fetch(self, ref: ModelRef, deploy: Deploy) -> Object:
        """Only this container knows the registry: the server needs none once its bundle is there."""
        uri = f"models:/{ref.name}/{ref.version}"
        sources = [{"secretRef": {"name": deploy.secret}}] if deploy.secret else []
        return {
            "name": "fetch",
            "image": deploy.fetch_image,
            "imagePullPolicy": deploy.pull_policy,
            "command": ["python", "-m", "pressrun.serving.fetch"],
            "args": [uri, "--digest", ref.digest, "--to", "/bundle/model"],
            "env": [{"name": "MLFLOW_TRACKING_URI", "value": deploy.tracking_uri}, {"name": "HOME", "value": "/tmp"}],
            "envFrom": sources,
            "resources": _resources("100m", "256Mi"),
            "securityContext": SECURE,
            "volumeMounts": [_mount("bundle", "/bundle"), _mount("tmp", "/tmp")],
        }

    def _server(self, ref: ModelRef, deploy: Deploy) -> Object:
        spool = [_mount("spool", "/spool")] if deploy.spool_claim else []
        return {
            "name": "server",
            "image": deploy.server_image,
            "imagePullPolicy": deploy.pull_policy,
            "command": ["python", "-m", "pressrun.serving"],
            "args": self._arguments(ref, deploy),
            "env": [{"name": "POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}],
            "ports": [{"name": "http", "containerPort": PORT, "protocol": "TCP"}],
            "startupProbe": probe("/healthz", period=1, failures=120),
            "readinessProbe": probe("/readyz", period=2, failures=2),
            "livenessProbe": probe("/healthz", period=10, failures=3),
            "lifecycle": {"preStop": {"sleep": {"seconds": DRAIN_SECONDS}}},
            "resources": _resources(deploy.cpu, deploy.memory),
            "securityContext": SECURE,
            "volumeMounts": [_mount("bundle", "/bundle", read_only=True), _mount("tmp", "/tmp"), *spool],
        }

    def _arguments(self, ref: ModelRef, deploy: Deploy) -> list[str]:
        given = {
            "host": "0.0.0.0",  # noqa: S104 -- a pod's own address; who may reach it is the NetworkPolicy's to say
            "port": PORT,
            "model": self.model,
            "version": ref.version,
            "digest": ref.digest,
            "arm": self.arm,
            "generation": self.generation,
            "server-id": "$(POD_NAME)",
            "controller": CONTROLLER,
            **({"spool": f"/spool/{self.model}"} if deploy.spool_claim else {}),
        }
        return ["/bundle/model", *(text for name, value in given.items() for text in (f"--{name}", str(value)))]


_ZONE = "topology.kubernetes.io/zone"
_CPU_TARGET = {"type": "Utilization", "averageUtilization": 70}


def network_policy(model: str, namespace: str, deploy: Deploy) -> Object:
    """Nothing in or out of a model's pods but the gateway's requests, each other's, their controller and the bundle."""
    gateways = deploy.gateway.pods_namespace or deploy.gateway.namespace or namespace
    pods = {"matchLabels": {**MANAGED, "pressrun.dev/model": model_name(model)}}
    controller = {"podSelector": {"matchLabels": {"app.kubernetes.io/name": CONTROLLER}}}
    gateway = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": gateways}}}
    inward = [{"from": [gateway, controller, {"podSelector": pods}], "ports": [{"port": PORT, "protocol": "TCP"}]}]
    outward = [
        {"to": [{"podSelector": pods}], "ports": [{"port": PORT, "protocol": "TCP"}]},
        {"to": [controller], "ports": [{"port": CONTROLLER_PORT, "protocol": "TCP"}]},
        {"ports": DNS},
        # Only fetching the bundle needs these, from MLflow and from a bucket that MLflow names. A policy knows pods and
        # not containers, so the server beside it has them, too.
        {"ports": [{"port": port, "protocol": "TCP"} for port in _fetched_from(deploy.tracking_uri)]},
    ]
    spec = {"podSelector": pods, "policyTypes": ["Ingress", "Egress"], "ingress": inward, "egress": outward}
    labels = {**object_labels(model, deploy.labels), **MANAGED}
    metadata = {"name": model_name(model), "namespace": namespace, "labels": labels}
    return {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": metadata, "spec": spec}


def _fetched_from(tracking_uri: str) -> list[int]:
    return sorted({80, 443, port_of(tracking_uri)})


def port_of(url: str) -> int:
    """The port that the address names, or its scheme's."""
    parts = urlsplit(url)
    return parts.port or (443 if parts.scheme == "https" else 80)


def pod_security() -> Object:
    """What restricted Pod Security asks of a pod."""
    return {
        "runAsNonRoot": True,
        "runAsUser": USER,
        "runAsGroup": USER,
        "fsGroup": USER,
        "seccompProfile": {"type": "RuntimeDefault"},
    }


def _volumes(deploy: Deploy) -> list[Object]:
    spool = (
        [{"name": "spool", "persistentVolumeClaim": {"claimName": deploy.spool_claim}}] if deploy.spool_claim else []
    )
    return [
        {"name": "bundle", "emptyDir": {"sizeLimit": "1Gi"}},
        {"name": "tmp", "emptyDir": {"sizeLimit": "64Mi"}},
        *spool,
    ]


def _mount(name: str, path: str, *, read_only: bool = False) -> Object:
    return {"name": name, "mountPath": path, **({"readOnly": True} if read_only else {})}


def probe(path: str, *, period: int, failures: int) -> Object:
    """A question over HTTP each `period` seconds; so many failures in a row count."""
    return {
        "httpGet": {"path": path, "port": "http"},
        "periodSeconds": period,
        "timeoutSeconds": 2,
        "failureThreshold": failures,
    }


def _resources(cpu: str, memory: str) -> Object:
    return {"requests": {"cpu": cpu, "memory": memory}, "limits": {"memory": memory}}
